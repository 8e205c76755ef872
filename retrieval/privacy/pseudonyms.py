"""One secret key per user, and the pseudonyms made with it: HMAC-SHA256, written as `2.25.` UIDs.

The same key serves every index and every answer of a user, so a study has one pseudonym everywhere.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from radseek.retrieval.disk_errors import is_storage_error, storage_error
from radseek.retrieval.errors import UsageError
from radseek.retrieval.path_text import found_path
from radseek.retrieval.types import Series, Study

__all__ = [
    "StudyKey",
    "forgotten_mark",
    "is_key_of",
    "key_check",
    "key_of_target",
    "key_path",
    "keyed_hash",
    "keyed_series",
    "load_key",
    "patient_key",
    "series_key",
    "stored_key",
    "study_key",
]

KEY_PREFIX: Final = "2.25."  # what every pseudonym begins with
_KEY_BYTES = 32
_SHORTEST_SECRET = 16  # characters of RADSEEK_KEY; fewer could be guessed


class StudyKey(str):
    """The pseudonym of a stored study. Given as a target it is never taken for a path."""

    __slots__ = ()


def key_of_target(target: object) -> StudyKey | None:
    """Return the key of a stored study that a target is; None for everything else.

    Words that look like a key are one where nothing of that name lies in the current folder: folders are often called
    by their StudyInstanceUID, which may begin like a key.
    """
    if isinstance(target, StudyKey):
        return target
    if not isinstance(target, str) or not target.startswith(KEY_PREFIX) or "/" in target or os.sep in target:
        return None
    return None if os.path.lexists(found_path(target)) else StudyKey(target)


def key_path() -> Path:
    """Return where the user's key lives: `$XDG_CONFIG_HOME/radseek/key`, else `~/.config/radseek/key`."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "radseek" / "key"


def load_key(*, make: bool = True) -> bytes:
    """Return the user's 32-byte key: from `RADSEEK_KEY`, else from the key file, made (0600) on first use.

    Raises `UsageError` where `RADSEEK_KEY` is short, or the file is unreadable, malformed or open to others; with
    `make=False` also where there is none.
    """
    secret = os.environ.get("RADSEEK_KEY")
    if secret is not None:
        if len(secret) < _SHORTEST_SECRET:
            raise UsageError(
                f"RADSEEK_KEY has {len(secret)} characters and needs at least {_SHORTEST_SECRET}; "
                "use the output of `openssl rand -hex 32`, or unset it to use the key file."
            )
        return hashlib.sha256(secret.encode()).digest()
    path = key_path()
    try:
        if not path.exists():
            if not make:
                raise UsageError(
                    f"There is no key: RADSEEK_KEY is not set and {path} is not there. Studies of an index are named "
                    "with the key it was built with; set RADSEEK_KEY, or restore that file from a copy."
                )
            _make_key(path)
        return _read_key(path)
    except OSError as error:
        if is_storage_error(error):
            raise storage_error(error, path.parent, remedy=f"make it writable, or set RADSEEK_KEY ({path})") from error
        raise UsageError(
            f"The key file {path} cannot be used ({error.strerror}); make its folder writable, or set RADSEEK_KEY."
        ) from error


def keyed_hash(key: bytes, kind: str, value: str) -> str:
    """Return the pseudonym of `value` as a UID, `2.25.` and 128 bits of HMAC-SHA256 in decimal.

    `kind` ("study", "upload", "patient", "series") keeps equal values of different kinds apart.
    """
    message = f"{kind}\0{value}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def study_key(study: Study, key: bytes) -> str:
    """Return a study's pseudonym, from its StudyInstanceUID, or from its content where it has none.

    An upload's is of another kind, from all that its sender chose: UID, content, modalities and body parts. So no
    upload takes the place of a stored study, nor of another upload that differs from it.
    """
    if study.is_upload:
        kinds = (f"{one.modality} {one.body_part}" for one in study.series)
        chosen = (study.uid, study.content_hash, *kinds)
        return keyed_hash(key, "upload", "\0".join(chosen))
    return stored_key(study, key)


def stored_key(study: Study, key: bytes) -> str:
    """Return the pseudonym that a study has in an index, whoever sent it."""
    if study.uid:
        return keyed_hash(key, "study", study.uid)
    return keyed_hash(key, "content", study.content_hash)


def patient_key(patient_id: str, key: bytes) -> str:
    """Return a patient's pseudonym, or `""` where the patient is unknown."""
    patient_id = patient_id.strip()
    return keyed_hash(key, "patient", patient_id) if patient_id else ""


def keyed_series(study: Study, name: str, key: bytes) -> dict[str, Series]:
    """Return the series of a study, whose own pseudonym is `name`, by their pseudonyms, in the study's order."""
    return {series_key(name, one.uid, ordinal, key): one for ordinal, one in enumerate(study.series)}


def series_key(study: str, series_uid: str, ordinal: int, key: bytes) -> str:
    """Return a series' pseudonym from its study's, its UID and, where it has none, its place in the study."""
    return keyed_hash(key, "series", f"{study}\0{series_uid or f'#{ordinal}'}")


def key_check(key: bytes, salt: bytes | None = None) -> str:
    """Return what an index keeps of its key: a salt and a scrypt digest, from which the key cannot be told.

    Without `salt` a new one is drawn. Guessing a key from it costs 16 MiB and some 50 ms a guess.
    """
    salt = secrets.token_bytes(16) if salt is None else salt
    digest = hashlib.scrypt(b"radseek index key\0" + key, salt=salt, n=1 << 14, r=8, p=1, dklen=32)
    return f"{salt.hex()}:{digest.hex()}"


def is_key_of(check: str, key: bytes) -> bool:
    """Say whether `key` is the one that `check` was made of by `key_check`."""
    try:
        salt = bytes.fromhex(check.partition(":")[0])
    except ValueError:
        return False
    return hmac.compare_digest(key_check(key, salt), check)


def forgotten_mark(pseudonym: str) -> bytes:
    """Return what an index keeps of a study or patient that it has forgotten.

    It is a SHA-256 of the pseudonym, which is itself an HMAC under the user's key: whoever lacks the key cannot
    tell from it who was forgotten, and the pseudonym itself is gone.
    """
    return hashlib.sha256(f"forgotten\0{pseudonym}".encode()).digest()


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"key.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where a key exists, so two first runs agree on one of their keys.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read_key(path: Path) -> bytes:
    # Where a system has no user numbers, a file's mode says nothing about who may read it.
    if hasattr(os, "getuid") and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"The key file {path} is open to other users; run `chmod 600 {path}`.")
    try:
        value = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        value = b""
    if len(value) != _KEY_BYTES:
        raise UsageError(
            f"The key file {path} does not hold {_KEY_BYTES} bytes in hexadecimal; restore it from a copy. "
            "Without it the studies of existing indexes get other keys."
        )
    return value
