"""Makes an empty index in a folder: whole, or such that making it again succeeds."""

from __future__ import annotations

import json
from pathlib import Path

from radseek.retrieval.disk_errors import require_room, writing_to
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.catalog.catalog_file import create_catalog
from radseek.retrieval.index.manifest import is_index, write_manifest
from radseek.retrieval.index.writer_lock import LOCK
from radseek.retrieval.privacy.pseudonyms import key_check

__all__ = ["CATALOG", "KEY_CHECK", "make_index", "make_room"]

CATALOG = "catalog.sqlite"
KEY_CHECK = "key_check"  # the catalogue's setting; the manifest has it too
_EMPTY_BYTES = 384 << 10  # an index of nothing and its linkage, with SQLite's logs while they are made
_HALF_MADE = (CATALOG, f"{CATALOG}-wal", f"{CATALOG}-shm", f"{CATALOG}-journal", ".manifest.json.draft")


def make_room(path: Path) -> None:
    """Make the folder of a new index, where there is room for it.

    Raises `UsageError` where the folder holds an index already, or something that is none.
    """
    if is_index(path):
        raise UsageError(f"{path} is an index already; open it to add to it, or name another folder.")
    with writing_to(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)  # vectors and reports are not for everybody
    own = {*_HALF_MADE, LOCK, "segments"}
    strangers = sorted(p.name for p in path.iterdir() if p.name not in own)
    if strangers:
        raise UsageError(f"{path} is not empty (it holds {strangers[0]}); name a new folder for the index.")
    require_room(path, _EMPTY_BYTES)


def make_index(path: Path, spec: EncoderSpec, key: bytes | None) -> None:
    """Make an empty index for an encoder's vectors in its folder, to be built with `key` if that is given.

    Callers hold the writer's lock.
    """
    for name in _HALF_MADE:  # by a writer that was killed here
        (path / name).unlink(missing_ok=True)
    with writing_to(path, _EMPTY_BYTES):
        (path / "segments").mkdir(exist_ok=True)
    check = "" if key is None else key_check(key)
    create_catalog(path / CATALOG, {"encoder": json.dumps(spec.to_dict()), KEY_CHECK: check})
    write_manifest(path, spec, check)  # from here on it is an index
