"""The same pixels under two names: keep the first, report the other as a duplicate, and count what is no copy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.instance_copies import pixel_digest
from radseek.retrieval.imaging.dicom.stacks import Stack
from radseek.retrieval.types import Series, Skipped

__all__ = ["Loaded", "without_twins"]

Loaded = tuple[Series, Stack]
SAME_PLACE_MM: Final = 0.1


def without_twins(loaded: Sequence[Loaded]) -> tuple[list[Series], list[Skipped]]:
    """Return the series that are no copy of an earlier one, and a line for every file that is a copy.

    Two cases: pictures without geometry with equal pixels, and frames at one position that nothing in the
    header distinguishes and whose stored pixels are equal. Those whose pixels differ are another set, which a warning
    counts.
    """
    seen: dict[str, str] = {}
    kept: list[Series] = []
    copies: dict[Path, str] = {}
    for series, stack in loaded:
        twin = None
        if series.volume.affine is None:
            twin = _first_with(seen, series, stack.frames[0].path.name)
        if twin is None:
            copied = _copied_files(stack)
            kept.append(_with_others_said(series, stack, copied))
            copies.update(copied)
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


def _copied_files(stack: Stack) -> dict[Path, str]:
    """Files of unexplained frames of which every frame copies the one that is read at its place, by their names."""
    if not stack.unexplained:
        return {}
    digests = {path: pixel_digest(path) for path in {f.path for f in (*stack.frames, *stack.unexplained)}}
    found: dict[Path, str] = {}
    for frame in stack.unexplained:
        first = _read_at(stack, frame)
        digest = digests[frame.path]
        same = first is not None and digest is not None and digests[first.path] == digest and first.path != frame.path
        found[frame.path] = first.path.name if same and first is not None and found.get(frame.path, "?") else ""
    return {path: name for path, name in found.items() if name}


def _read_at(stack: Stack, frame: Frame) -> Frame | None:
    """The frame of a stack at another's place, with the same index in its file."""
    for read in stack.frames:
        if read.place is None or frame.place is None or read.index != frame.index:
            continue
        if np.abs(read.place.origin - frame.place.origin).max() <= SAME_PLACE_MM:
            return read
    return None


def _with_others_said(series: Series, stack: Stack, copied: dict[Path, str]) -> Series:
    """The series, with the count of unexplained frames that are no copies."""
    others = sum(frame.path not in copied for frame in stack.unexplained)
    volume = series.volume
    copies = len(stack.unexplained) - others
    if not stack.unexplained:
        return series
    warnings = volume.provenance.warnings
    if others:
        said = f"repeats: one set read ({stack.time_point}), {others} images of others left out"
        warnings = (*warnings, f"{said}; the header does not distinguish the sets, their pixels do")
    provenance = replace(volume.provenance, warnings=warnings, dropped_slices=volume.provenance.dropped_slices - copies)
    return replace(series, volume=replace(volume, provenance=provenance))


def _line(path: Path, twin: str) -> Skipped:
    return Skipped(str(path), Reason.DUPLICATE, f"{path.name}: the same pixels as {twin}; remove one of them")
