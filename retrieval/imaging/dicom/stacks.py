"""Frames to stacks: each stack one geometry, its slices ordered along the normal. Pure geometry, no pixels.

Order comes from `ImagePositionPatient . normal` alone. Frames that do not share an orientation, a spacing or
a size are separate stacks, and so are those that lie beside one another in one plane; frames at the same position
are distinguished by time, echo and the like (`dicom_repeats`); a change of the slice distance ends a stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.even_runs import regular_runs
from radseek.retrieval.imaging.dicom.frames import Frame, Place
from radseek.retrieval.imaging.dicom.header_values import as_text, value_of
from radseek.retrieval.imaging.dicom.positions import group_of
from radseek.retrieval.imaging.dicom.repeated_positions import Chosen, choose_sets

__all__ = ["Stack", "stack_frames"]

ORIENTATION_TOLERANCE: Final = 2e-3  # of each direction cosine, about 0.1 degrees
SPACING_TOLERANCE: Final = 1e-3  # mm, of in-plane pixel spacing
SAME_LINE_MM: Final = 5.0  # in plane; frames further apart at one position are of another stack, not another time
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
    unexplained: tuple[Frame, ...] = ()  # frames at the same positions that nothing distinguishes
    attributes: Mapping[str, str] = field(default_factory=dict)  # what the choice of the frames knows, by keyword


def stack_frames(frames: Sequence[Frame]) -> tuple[list[Stack], list[Frame]]:
    """Return the stacks of one series, the largest first, and the frames that no split makes regular."""
    placed = [frame for frame in frames if frame.place is not None]
    loose = [frame for frame in frames if frame.place is None]
    found: list[list[Stack]] = []
    irregular: list[Frame] = []
    for group in _same_geometry(placed):
        for line in _lines(group):
            pieces, rest = _stacks_of(line)
            found += pieces
            irregular += rest
    found.sort(key=lambda pair: -len(pair[0].frames))
    stacks = [stack for pair in found for stack in pair]
    if len(found) > 1:
        note = f"split: this series holds {len(found)} geometries, each read as a series of its own"
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


def _lines(group: list[Frame]) -> list[list[Frame]]:
    """Part parallel frames that lie beside one another in one plane, as the stations of a spine do.

    Each line is followed from slice to slice, so that a tilted gantry, which shifts every slice a little, stays one.
    """
    place = group[0].place
    if place is None:
        return [group]
    ordered = group_of(group, place.normal)
    if ordered.unique:
        return [group]
    lines: list[list[Frame]] = []
    ends: list[NDArray[np.float64]] = []
    for frame in ordered.frames:
        origin = place.origin if frame.place is None else frame.place.origin
        end = np.array([origin @ place.across, origin @ place.down])
        away = [float(np.linalg.norm(end - other)) for other in ends]
        nearest = int(np.argmin(away)) if away else -1
        if nearest < 0 or away[nearest] > SAME_LINE_MM:
            lines.append([frame])
            ends.append(end)
        else:
            lines[nearest].append(frame)
            ends[nearest] = end
    return lines


def _stacks_of(group: list[Frame]) -> tuple[list[list[Stack]], list[Frame]]:
    """Stacks of frames that are parallel, alike and in line, those of one pair together; and what is irregular."""
    place = group[0].place
    if place is None:
        return [], group
    found: list[list[Stack]] = []
    irregular: list[Frame] = []
    for chosen in choose_sets(group, place.normal):
        stacks = _pieces(chosen, place)
        irregular += [] if stacks else chosen.frames
        if chosen.paired and found and stacks:
            found[-1] += stacks
        else:
            found += [[stack] for stack in stacks]
    return found, irregular


def _pieces(chosen: Chosen, place: Place) -> list[Stack]:
    """The regular runs of a set, each a stack; none where no split makes it regular."""
    places = np.stack([frame.place.origin for frame in chosen.frames if frame.place is not None])
    runs = regular_runs(places)
    if len(runs) > max(2, len(chosen.frames) // 3):
        return []
    stacks = []
    for start, stop in runs:
        piece = chosen.frames[start:stop]
        affine, warnings = _affine(piece[0].place or place, places[start:stop])
        warnings = (*warnings, *chosen.warnings)
        if len(runs) > 1:
            note = f"gap: slices {start} to {stop - 1} of {len(places)}; the distance between slices changes there"
            warnings = (*warnings, note)
        stacks.append(
            Stack(piece, affine, warnings, chosen.name, chosen.dropped, chosen.unexplained, chosen.attributes)
        )
    return stacks


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
    """Stacks of frames without places: cines and pictures of one size as Z, radiographs one by one.

    Two pictures of one UID and one number are no two slices, whatever they are: each goes to a stack of its own.
    """
    groups: dict[tuple[object, ...], list[Frame]] = {}
    met: Counter[tuple[object, ...]] = Counter()
    for frame in sorted(frames, key=lambda f: (f.number, str(f.path), f.index)):
        modality = str(frame.header.get("Modality") or "")
        many = int(frame.header.get("NumberOfFrames") or 1) > 1
        alone = frame.path if modality in _SINGLE or many else None
        name = (as_text(value_of(frame.header, "SOPInstanceUID")) or str(frame.path), frame.number, frame.index)
        groups.setdefault((alone, frame.shape, met[name]), []).append(frame)
        met[name] += 1
    return [Stack(tuple(group), None, _loose_warning(group[0])) for group in groups.values()]


def _loose_warning(frame: Frame) -> tuple[str, ...]:
    if str(frame.header.get("Modality") or "") not in ("CT", "MR", "PT"):
        return ()
    if any(note.startswith(("no_geometry:", "grid:")) for note in frame.notes):
        return ()  # already said, with its reason
    return ("no_geometry: no position or orientation in the header; slices are in order of InstanceNumber",)
