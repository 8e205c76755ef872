"""The same pixels under two names: keep the first, report the other as a duplicate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from retrieval.errors import InputError, Reason
from retrieval.imaging.dicom_frames import Frame
from retrieval.imaging.dicom_header import read_pixel_tags
from retrieval.imaging.dicom_stack import Stack
from retrieval.types import Series, Skipped

__all__ = ["Loaded", "without_twins"]

Loaded = tuple[Series, Stack]


def without_twins(loaded: Sequence[Loaded]) -> tuple[list[Series], list[Skipped]]:
    """Return the series that are no copy of an earlier one, and a line for every file that is a copy.

    Two cases: pictures without geometry with equal pixels, and frames at one position that nothing in the
    header tells apart and whose stored pixels are equal.
    """
    seen: dict[str, str] = {}
    kept: list[Series] = []
    copies: dict[Path, str] = {}
    for series, stack in loaded:
        twin = None
        if series.volume.affine is None:
            twin = _first_with(seen, series, stack.frames[0].path.name)
        if twin is None:
            kept.append(series)
            copies.update(_copied_frames(stack))
        else:
            copies.update({frame.path: twin for frame in stack.frames})
    return kept, [_line(path, twin) for path, twin in copies.items()]


def _first_with(seen: dict[str, str], series: Series, name: str) -> str | None:
    """The name of the first picture with these pixels, None where this is it."""
    voxels = series.volume.voxels
    key = f"{voxels.shape} {voxels.dtype} {hashlib.sha256(voxels.tobytes()).hexdigest()}"
    if key in seen:
        return seen[key]
    seen[key] = name
    return None


def _copied_frames(stack: Stack) -> dict[Path, str]:
    if not stack.unexplained:
        return {}
    kept = _digests(stack.frames)
    return {path: kept[digest] for digest, path in _paths(stack.unexplained) if digest in kept}


def _digests(frames: Iterable[Frame]) -> dict[str, str]:
    return {digest: path.name for digest, path in _paths(frames)}


def _paths(frames: Iterable[Frame]) -> list[tuple[str, Path]]:
    """Digest of the stored pixels of every file, and its path; files that cannot be read are left out."""
    found = []
    for path in dict.fromkeys(frame.path for frame in frames):
        try:
            data = read_pixel_tags(path).get("PixelData")
        except InputError:
            continue
        if data:
            found.append((hashlib.sha256(data).hexdigest(), path))
    return found


def _line(path: Path, twin: str) -> Skipped:
    return Skipped(str(path), Reason.DUPLICATE, f"{path.name}: the same pixels as {twin}; remove one of them")
