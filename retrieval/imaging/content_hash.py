"""Identity by content: the key of studies that carry no UID."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from radseek.retrieval.imaging.nifti.nifti_header import pair_of
from radseek.retrieval.imaging.zip_members import on_disk

__all__ = ["content_hash"]


def content_hash(paths: Sequence[str | Path]) -> str:
    """Return a SHA-256, in hex, over the bytes of some files, whatever their names, places and order.

    It is the hash of the sorted hashes of the files; the `.img` of a `.hdr` counts with it. Members of zip
    archives (`x.zip!/member`) count like files.

    Raises:
        OSError: a file cannot be read.
        InputError: an archive cannot be unpacked.
    """
    with on_disk([str(path) for path in paths]) as found:
        digests = sorted(digest for path in found.values() for digest in _digests(path))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _digests(path: Path) -> list[str]:
    other = pair_of(path)
    return [_digest(path)] if other is None else [_digest(path), _digest(other)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
