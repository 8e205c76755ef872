"""Files with one SOPInstanceUID: copies where pixels and place are equal; else images of their own, whatever the UID says.

Anonymisers were seen to give one UID to a whole series, so a UID alone makes no duplicate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from retrieval.errors import InputError
from retrieval.imaging.dicom_frames import Frame
from retrieval.imaging.dicom_header import read_pixel_tags

__all__ = ["copies_among", "pixel_digest", "with_shared_uid"]

_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def pixel_digest(path: Path) -> str | None:
    """Return a digest of a file's stored pixels, None where they cannot be read."""
    try:
        tags = read_pixel_tags(path)
    except InputError:
        return None
    data = next((tags[name].value for name in _PIXELS if tags.get(name)), None)
    return hashlib.sha256(data).hexdigest() if data else None


def copies_among(files: Sequence[tuple[Path, Sequence[Frame]]]) -> dict[Path, Path]:
    """Return, of files with one SOPInstanceUID, those that copy an earlier one, and which."""
    firsts: dict[Hashable, Path] = {}
    copies: dict[Path, Path] = {}
    places: dict[Hashable, int] = {}
    for _, frames in files:
        places[_place(frames)] = places.get(_place(frames), 0) + 1
    for path, frames in files:
        digest = pixel_digest(path) if places[_place(frames)] > 1 else None
        if digest is None:
            continue
        first = firsts.setdefault((digest, _place(frames)), path)
        if first != path:
            copies[path] = first
    return copies


def with_shared_uid(frames: Sequence[Frame], count: int) -> tuple[Frame, ...]:
    """Return frames with the note that `count` different images carry their SOPInstanceUID."""
    note = f"shared_uid: {count} different images carry one SOPInstanceUID; all were read, by position and pixels"
    return tuple(replace(frame, notes=(*frame.notes, note)) for frame in frames)


def _place(frames: Sequence[Frame]) -> Hashable:
    """Where the first frame of a file lies, to a hundredth of a millimetre; without geometry, its number."""
    first = frames[0]
    if first.place is None:
        return len(frames), first.shape, first.number
    place = (*first.place.origin.round(2).tolist(), *first.place.normal.round(3).tolist())
    return len(frames), first.shape, place
