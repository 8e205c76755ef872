"""DICOM files that were gzipped (`x.dcm.gz`): known by their bytes, inflated under a limit and while needed.

NIfTI files are read through gzip as they are (`nifti_header.open_stream`) and are none of these. A file that is small
and inflates to gigabytes is refused while it inflates, as a member of a zip archive is.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from radseek.retrieval.disk_errors import using_temporary_folder
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import MAX_FILE_BYTES, MAX_RATIO, RATIO_FREE_BYTES
from radseek.retrieval.imaging.dicom.dicom_header import DICOM_HEAD_BYTES, starts_as_dicom

__all__ = ["gunzipped", "holds_dicom", "is_gzip", "what_is"]

_MAGIC: Final = b"\x1f\x8b"
_CHUNK: Final = 1024**2
_DAMAGED: Final = (gzip.BadGzipFile, EOFError, zlib.error)
# What else is found in gzip: the bytes, where they stand, and what they are.
_KINDS: Final = (
    (0, b"PK\x03\x04", "a zip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, _MAGIC, "another gzip file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\x5c\x01\x00\x00", "an Analyze or NIfTI header"),
)  # fmt: skip


def is_gzip(head: bytes) -> bool:
    """Whether the first bytes are those of a gzip file."""
    return head.startswith(_MAGIC)


def holds_dicom(path: Path) -> bool:
    """Whether a file is gzip with a DICOM file in it; only its first bytes are read."""
    try:
        with path.open("rb") as file:
            if not is_gzip(file.read(len(_MAGIC))):
                return False
    except OSError:
        return False
    return starts_as_dicom(_inside(path, DICOM_HEAD_BYTES))


@contextmanager
def gunzipped(places: Mapping[str, Path]) -> Iterator[Mapping[str, Path]]:
    """Yield where each file can be opened: itself, or for gzipped DICOM a temporary file of the same name.

    Raises:
        InputError: `too_large` as soon as a limit is passed, `truncated` where one ends early, `decode_failed` where it
            is damaged.
        StorageError: the temporary folder is full or cannot be written.
    """
    zipped = [name for name, place in places.items() if holds_dicom(place)]
    if not zipped:
        yield places
        return
    with tempfile.TemporaryDirectory(prefix="radseek-") as folder:
        found = dict(places)
        for number, name in enumerate(zipped):
            found[name] = Path(folder) / f"{number:06d}" / places[name].name
            with using_temporary_folder(Path(folder)):
                _inflate(places[name], found[name])
        yield found


def what_is(path: Path) -> str:
    """Return what a gzip file without an image holds, in words: "a tar archive", "text", ..."""
    head = _inside(path, 512)
    if not head:
        return "nothing that can be inflated"
    named = next((name for at, mark, name in _KINDS if head[at : at + len(mark)] == mark), None)
    if named is not None:
        return named
    printable = sum(byte >= 0x20 or byte in b"\t\r\n" for byte in head)
    return "text" if printable == len(head) else "data of an unknown kind"


def _inflate(path: Path, target: Path) -> None:
    """Write what is in a gzip file to `target`, counting bytes as they come. Raises as `gunzipped`."""
    stored = path.stat().st_size
    limit = min(MAX_FILE_BYTES, max(RATIO_FREE_BYTES, stored * MAX_RATIO))
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with gzip.open(path, "rb") as source, target.open("wb") as out:
        while chunk := _read(source, path):
            written += len(chunk)
            if written > limit:
                rule = f"{stored:,} gzipped bytes hold more than {limit:,}; gunzip it if it is what it says"
                raise _refuse(path, Reason.TOO_LARGE, rule)
            out.write(chunk)


def _inside(path: Path, count: int) -> bytes:
    """Return the first `count` inflated bytes of a gzip file, b"" where it is damaged before them."""
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(count)
    except (*_DAMAGED, OSError):
        return b""


def _read(source: gzip.GzipFile | BinaryIO, path: Path) -> bytes:
    try:
        return source.read(_CHUNK)
    except EOFError as error:
        raise _refuse(path, Reason.TRUNCATED, "the gzip file ends early; copy it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _refuse(path, Reason.DECODE_FAILED, f"the gzip file is damaged ({error}); copy it again") from error


def _refuse(path: Path, reason: Reason, rule: str) -> InputError:
    return InputError(reason, f"{path.name}: {rule}", path=str(path))
