"""Files with one SOPInstanceUID: copies where pixels and place are equal; else images of their own, as they were.

Anonymisers were seen to give one UID to a whole series, so a UID alone makes no duplicate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from radseek.retrieval.errors import InputError
from radseek.retrieval.imaging.dicom.dicom_header import read_pixel_tags
from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.pixels import decode_file
from radseek.retrieval.imaging.reading_errors import input_errors

__all__ = ["copies_among", "pixel_digest", "with_shared_uid"]

_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def pixel_digest(path: Path) -> str | None:
    """Return a digest of a file's pixels, the same for each lossless coding; None where they cannot be read."""
    try:
        tags = read_pixel_tags(path)
        with input_errors(path, "pixels"):
            name = next((name for name in _PIXELS if tags.get(name)), None)
            if name is None:
                return None
            syntax = tags.file_meta.TransferSyntaxUID
            plain = syntax.is_little_endian and not syntax.is_encapsulated
            data = _announced(tags[name].value, tags) if plain else decode_file(path).tobytes()
    except InputError:
        return None
    return hashlib.sha256(data).hexdigest() if data else None


def copies_among(files: Sequence[tuple[Path, Sequence[Frame]]]) -> dict[Path, Path]:
    """Return, of files with one SOPInstanceUID, those that copy an earlier one, and which.

    A damaged file at the place of a good one is its copy, too; the first of all is kept, and speaks for itself.
    """
    by_place: dict[Hashable, list[Path]] = {}
    for path, frames in files:
        by_place.setdefault(_place(frames), []).append(path)
    copies: dict[Path, Path] = {}
    for paths in by_place.values():
        firsts: dict[str, Path] = {}
        for path in paths if len(paths) > 1 else ():
            digest = pixel_digest(path)
            first = next(iter(firsts.values()), None) if digest is None else firsts.setdefault(digest, path)
            if first is not None and first != path:
                copies[path] = first
    return copies


def with_shared_uid(frames: Sequence[Frame], count: int) -> tuple[Frame, ...]:
    """Return frames with the note that `count` different images carry their SOPInstanceUID."""
    note = f"shared_uid: {count} different images carry one SOPInstanceUID; position and pixels distinguish them"
    return tuple(replace(frame, notes=(*frame.notes, note)) for frame in frames)


def _announced(data: bytes, tags: Dataset) -> bytes | None:
    """The stored bytes that the header announces, without padding; None where there are fewer."""
    values = int(tags.Rows) * int(tags.Columns) * int(tags.get("NumberOfFrames") or 1)
    values *= int(tags.get("SamplesPerPixel") or 1)
    if tags.get("PhotometricInterpretation") == "YBR_FULL_422" and len(data) < values:
        values = values * 2 // 3
    size = -(-values * int(tags.get("BitsAllocated") or 8) // 8)
    return data[:size] if len(data) >= size else None


def _place(frames: Sequence[Frame]) -> Hashable:
    """Where the first frame of a file lies, to a hundredth of a millimetre; without geometry, its number."""
    first = frames[0]
    if first.place is None:
        return len(frames), first.shape, first.number
    place = (*first.place.origin.round(2).tolist(), *first.place.normal.round(3).tolist())
    return len(frames), first.shape, place
