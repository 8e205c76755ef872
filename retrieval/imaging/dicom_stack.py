"""Frames to stacks: each stack one geometry, its slices ordered along the normal. Pure geometry, no pixels.

Order comes from `ImagePositionPatient . normal` alone. Frames that do not share an orientation, a spacing or
a size are separate stacks; frames at the same position are told apart by time, echo and the like, and the
first set is kept; a change of the slice distance ends a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.imaging.dicom_frames import Frame, Place
from retrieval.imaging.dicom_repeats import first_of_repeats

__all__ = ["Stack", "stack_frames"]

ORIENTATION_TOLERANCE: Final = 2e-3  # of each direction cosine, about 0.1 degrees
SPACING_TOLERANCE: Final = 1e-3  # mm, of in-plane pixel spacing
STEP_TOLERANCE_MM: Final = 0.11  # headers round positions to 0.1 mm
STEP_TOLERANCE_SHARE: Final = 0.03  # of the distance between slices
TILT_DEGREES: Final = 0.5  # a smaller angle between the step and the normal is rounding
# Modalities whose images without geometry are separate pictures, not frames of one thing.
_SINGLE: Final = frozenset({"CR", "DX", "MG", "XA", "RF", "RG", "IO", "PX", "RTIMAGE"})


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Frames in slice order, with the affine `(4, 4)` from `(x, y, z, 1)` to LPS mm, None without geometry."""

    frames: tuple[Frame, ...]
    affine: NDArray[np.float64] | None
    warnings: tuple[str, ...] = ()
    time_point: str | None = None
    dropped: int = 0
    unexplained: tuple[Frame, ...] = ()  # frames at the same positions that nothing tells apart


def stack_frames(frames: Sequence[Frame]) -> tuple[list[Stack], list[Frame]]:
    """Return the stacks of one series, the largest first, and the frames that no split makes regular."""
    placed = [frame for frame in frames if frame.place is not None]
    loose = [frame for frame in frames if frame.place is None]
    stacks: list[Stack] = []
    irregular: list[Frame] = []
    for group in _same_geometry(placed):
        pieces, rest = _stacks_of(group)
        stacks += pieces
        irregular += rest
    stacks.sort(key=lambda stack: -len(stack.frames))
    if len(stacks) > 1:
        note = f"split: this series holds {len(stacks)} geometries, each read as a series of its own"
        stacks = [replace(stack, warnings=(*stack.warnings, note)) for stack in stacks]
    return stacks + _without_geometry(loose), irregular


def _same_geometry(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Group frames by size, in-plane spacing and orientation."""
    groups: list[tuple[Frame, Place, list[Frame]]] = []
    for frame in frames:
        place = frame.place
        if place is None:
            continue
        for first, where, members in groups:
            if first.shape == frame.shape and _parallel(where, place):
                members.append(frame)
                break
        else:
            groups.append((frame, place, [frame]))
    return [members for _, _, members in groups]


def _parallel(a: Place, b: Place) -> bool:
    turned = max(np.abs(a.across - b.across).max(), np.abs(a.down - b.down).max())
    scaled = max(abs(a.spacing[0] - b.spacing[0]), abs(a.spacing[1] - b.spacing[1]))
    return bool(turned <= ORIENTATION_TOLERANCE and scaled <= SPACING_TOLERANCE)


def _stacks_of(group: list[Frame]) -> tuple[list[Stack], list[Frame]]:
    """Stacks of frames that are parallel and alike."""
    place = group[0].place
    if place is None:
        return [], group
    kept = first_of_repeats(group, place.normal)
    places = np.stack([frame.place.origin for frame in kept.frames if frame.place is not None])
    runs = _regular_runs(places, 0)
    if len(runs) > max(2, len(kept.frames) // 3):
        return [], group
    dropped = len(group) - len(kept.frames)
    stacks = []
    for start, stop in runs:
        piece = kept.frames[start:stop]
        affine, warnings = _affine(piece[0].place or place, places[start:stop])
        if len(runs) > 1:
            note = f"gap: slices {start} to {stop - 1} of {len(kept.frames)}; the distance between slices changes there"
            warnings = (*warnings, note)
        stacks.append(Stack(tuple(piece), affine, warnings, kept.name, dropped, kept.unexplained))
    return stacks, []


def _regular_runs(places: NDArray[np.float64], offset: int) -> list[tuple[int, int]]:
    """Cut ordered positions `(N, 3)` into runs `[start, stop)` of one constant step each."""
    count = len(places)
    if count <= 2:
        return [(offset, offset + count)] if count else []
    steps = np.diff(places, axis=0)
    middle = np.median(steps, axis=0)
    typical = steps[np.argmin(np.linalg.norm(steps - middle, axis=1))]
    tolerance = max(STEP_TOLERANCE_MM, STEP_TOLERANCE_SHARE * float(np.linalg.norm(typical)))
    good = np.linalg.norm(steps - typical, axis=1) <= tolerance
    start, stop = _longest(good)
    if stop - start == count - 1:
        return [(offset, offset + count)]
    return [
        *_regular_runs(places[:start], offset),
        (offset + start, offset + stop + 1),
        *_regular_runs(places[stop + 1 :], offset + stop + 1),
    ]


def _longest(good: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest stretch `[start, stop)` of True, the first of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    starts, stops = edges[::2], edges[1::2]
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])


def _affine(place: Place, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The affine of a regular run, and what is unusual about it. A single slice is as deep as it is thick."""
    normal = place.normal
    step = normal * place.thickness if len(places) < 2 else (places[-1] - places[0]) / (len(places) - 1)
    affine = np.eye(4)
    affine[:3, 0] = place.across * place.spacing[1]
    affine[:3, 1] = place.down * place.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = places[0]
    cosine = abs(float(step @ normal)) / float(np.linalg.norm(step))
    tilt = float(np.degrees(np.arccos(min(1.0, cosine))))
    if tilt <= TILT_DEGREES:
        return affine, ()
    return affine, (f"gantry_tilt: slices are sheared by {tilt:.1f} degrees; the affine says so, pixels are as stored",)


def _without_geometry(frames: Sequence[Frame]) -> list[Stack]:
    """Stacks of frames without places: cines and pictures of one size as Z, radiographs one by one."""
    groups: dict[tuple[object, ...], list[Frame]] = {}
    for frame in sorted(frames, key=lambda f: (f.number, str(f.path), f.index)):
        modality = str(frame.header.get("Modality") or "")
        many = int(frame.header.get("NumberOfFrames") or 1) > 1
        alone = frame.path if modality in _SINGLE or many else None
        groups.setdefault((alone, frame.shape), []).append(frame)
    return [Stack(tuple(group), None, _loose_warning(group[0])) for group in groups.values()]


def _loose_warning(frame: Frame) -> tuple[str, ...]:
    if str(frame.header.get("Modality") or "") not in ("CT", "MR", "PT"):
        return ()
    return ("no_geometry: no position or orientation in the header; slices are in order of InstanceNumber",)
