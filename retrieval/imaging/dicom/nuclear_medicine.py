"""Where the frames of a nuclear-medicine file lie: reconstructed slices have a place, projections and counts do not.

PS3.3 C.8.4.11 puts position and orientation of the first slice into the Detector Information Sequence, C.8.4.8 the
number of each frame's slice into the Slice Vector, and C.8.4.15 lets the sign of Spacing Between Slices say on
which side of the first slice the others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.frame_geometry import Place, place_from
from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, value_of

__all__ = ["is_nm", "nm_keys", "nm_note", "nm_places"]

_RECONSTRUCTED: Final = frozenset({"RECON TOMO", "RECON GATED TOMO"})
# The vectors that distinguish frames of one slice (C.8.4.8), and the keys that they become.
_VECTORS: Final = {
    "EnergyWindow": "EnergyWindowVector",
    "RRInterval": "RRIntervalVector",
    "TimeSlot": "TimeSlotVector",
    "Phase": "PhaseVector",
}


def is_nm(header: Dataset) -> bool:
    """Whether a file is nuclear medicine with frames described by vectors."""
    return as_text(value_of(header, "Modality")).upper() == "NM" and not header.get("PerFrameFunctionalGroupsSequence")


def nm_places(header: Dataset, count: int) -> list[Place | None]:
    """Return the place of each of `count` frames, None for each that the file gives none."""
    kind = _kind(header)
    first = [_first(header, detector) for detector in _vector(header, "DetectorVector", count, default=1)]
    if kind not in _RECONSTRUCTED:
        return [_first(header, 0)] if count == 1 else [None] * count
    slices = _slices(header, count)
    spacing = as_number(value_of(header, "SpacingBetweenSlices"))
    if slices is None or (spacing in (None, 0.0) and len(set(slices)) > 1):
        return [None] * count
    return [_moved(place, (number - 1) * (spacing or 0.0)) for place, number in zip(first, slices, strict=True)]


def nm_keys(header: Dataset, count: int) -> list[dict[str, str]]:
    """Return what distinguishes the frames of one slice: energy window, interval, time slot."""
    vectors = {key: _vector(header, name, count) for key, name in _VECTORS.items()}
    return [{key: str(values[k]) for key, values in vectors.items() if values} for k in range(count)]


def nm_note(header: Dataset, places: Sequence[Place | None]) -> tuple[str, ...]:
    """Return the warning that says why frames have no place, () where they have one."""
    if all(place is not None for place in places):
        return ()
    kind = _kind(header)
    if kind in _RECONSTRUCTED:
        why = "its detector item, its slice vector or its SpacingBetweenSlices is missing (PS3.3 C.8.4.11, C.8.4.15)"
    else:
        why = f"{kind or 'this kind of'} images are counts in a detector, not slices of the patient (PS3.3 C.8.4.11)"
    return (f"no_geometry: {why}; frames are in their own order",)


def _kind(header: Dataset) -> str:
    """The third value of ImageType (C.8.4.9.1.1): STATIC, WHOLE BODY, TOMO, RECON TOMO, ..."""
    values = as_text(value_of(header, "ImageType")).upper().split("\\")
    return values[2].strip() if len(values) > 2 else ""


def _first(header: Dataset, detector: int) -> Place | None:
    """The place of the first slice of a detector (numbered from 1); some writers leave it at the top level (0)."""
    items = header.get("DetectorInformationSequence") or ()
    source = items[detector - 1] if 0 < detector <= len(items) else header
    position, orientation = value_of(source, "ImagePositionPatient"), value_of(source, "ImageOrientationPatient")
    depth = as_number(value_of(header, "SpacingBetweenSlices")) or as_number(value_of(header, "SliceThickness"))
    spacing = value_of(header, "PixelSpacing")
    return place_from(
        position or value_of(header, "ImagePositionPatient"),
        orientation or value_of(header, "ImageOrientationPatient"), spacing, depth,
    )  # fmt: skip


def _moved(place: Place | None, distance: float) -> Place | None:
    if place is None:
        return None
    origin = place.origin + distance * place.normal
    return Place(origin, place.across, place.down, place.spacing, place.thickness)


def _slices(header: Dataset, count: int) -> list[int] | None:
    """Each frame's slice number; frames in order where there is no vector and no other dimension."""
    said = _vector(header, "SliceVector", count)
    if said:
        return said
    other = any(_vector(header, name, count) and max(_vector(header, name, count)) > 1 for name in _VECTORS.values())
    return None if other else list(range(1, count + 1))


def _vector(header: Dataset, keyword: str, count: int, default: int | None = None) -> list[int]:
    """A vector of whole numbers, one a frame; `default` for every frame, or [], where it is absent or does not fit."""
    value: Any = value_of(header, keyword)
    values = [] if value is None else [value] if isinstance(value, int | str) else list(value)
    numbers = [as_number(one) for one in values]
    if len(numbers) == count and None not in numbers:
        return [int(number or 0) for number in numbers]
    return [] if default is None else [default] * count
