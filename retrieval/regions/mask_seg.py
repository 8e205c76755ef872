"""A DICOM Segmentation (PS3.3 A.51) to its segments: highdicom reads it, and every frame says where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radseek.retrieval.errors import InputError, MaskError, MissingExtraError
from radseek.retrieval.imaging.admission import admit_dicom, admit_payload
from radseek.retrieval.imaging.dicom.dicom_header import read_header, read_pixel_tags
from radseek.retrieval.imaging.dicom.frames import Place, frames_of, in_groups
from radseek.retrieval.imaging.dicom.pixels import may_abort
from radseek.retrieval.imaging.reading_errors import input_errors
from radseek.retrieval.regions.mask_names import printable
from radseek.retrieval.workers import call_apart

__all__ = ["Plane", "Segment", "Segmentation", "read_segmentation", "segments_of"]

_HALF: Final = 0.5  # of the largest fractional value: at least this is inside


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One frame of a segment: `inside (y, x)` bool is the box that holds its voxels, `corner` the row and column where
    it begins, `shape` the frame's rows and columns, `place` where the frame lies. Empty frames are left out.
    """

    inside: NDArray[np.bool_]
    corner: tuple[int, int]
    shape: tuple[int, int]
    place: Place
    gap_declared: bool  # SpacingBetweenSlices is there, so `place.thickness` is a step and not only a thickness


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment, its label and its frames in the order of the file."""

    label: str
    planes: tuple[Plane, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """`frame_of_reference` and `series` (those it was drawn on) are UIDs, "" and () where the file names none."""

    name: str  # the file's
    segments: tuple[Segment, ...]
    frame_of_reference: str
    series: tuple[str, ...]
    caveats: tuple[str, ...] = ()


def read_segmentation(path: Path) -> Segmentation:
    """Read the segments that have a voxel. Fractional ones are cut at a half of their largest possible value.

    Raises `MaskError`: no segmentation, damaged, frames without a place, or no voxel in any segment;
    `MissingExtraError` without highdicom.
    """
    try:
        header = read_header(path)
        _refuse_others(header, path)
        with input_errors(path, "pixels"):
            admit_dicom(header, path)
            tags = read_pixel_tags(path)
            admit_payload(tags, path)
            found = (
                call_apart("radseek.retrieval.regions.mask_seg:segments_of", path)
                if may_abort(tags)
                else _segments(path, header)
            )
    except InputError as error:
        raise MaskError(f"The mask cannot be read: {error}") from error
    return _whole(path, header, found)


def _whole(path: Path, header: Dataset, found: list[Segment]) -> Segmentation:
    full = tuple(segment for segment in found if segment.planes)
    if not full:
        names = ", ".join(f"'{segment.label}'" for segment in found)
        raise MaskError(f"{path.name}: the mask is empty, no voxel is inside {names}; nothing can be measured.")
    empty = [segment.label for segment in found if not segment.planes]
    caveats = (f"empty: no voxel is inside {', '.join(empty)}",) if empty else ()
    if str(header.get("SegmentationType") or "") == "FRACTIONAL":
        caveats = (*caveats, "fractional: voxels of at least half of the largest value count as inside")
    references = header.get("ReferencedSeriesSequence") or ()
    series = tuple(str(item.SeriesInstanceUID) for item in references if item.get("SeriesInstanceUID"))
    return Segmentation(path.name, full, str(header.get("FrameOfReferenceUID") or ""), series, caveats)


def segments_of(path: Path) -> list[Segment]:
    """Return the segments of an admitted file; what a worker does where the codec may abort its process."""
    with input_errors(path, "pixels"):
        return _segments(path, read_header(path))


def _refuse_others(header: Dataset, path: Path) -> None:
    kind = str(header.get("Modality") or "").strip().upper()
    if kind == "SEG":
        return
    remedy = (
        "convert its contours to DICOM SEG or NIfTI" if kind == "RTSTRUCT" else "give DICOM SEG or a NIfTI label map"
    )
    raise MaskError(f"{path.name}: a DICOM file of modality {kind or 'unknown'}, not a segmentation; {remedy}.")


def _segments(path: Path, header: Dataset) -> list[Segment]:
    seg = _opened(path)
    frames = frames_of(header, path)
    most = float(header.get("MaximumFractionalValue") or 1)
    cut = _HALF * most if str(header.get("SegmentationType") or "") == "FRACTIONAL" else None
    planes: dict[int, list[Plane]] = {int(number): [] for number in seg.segment_numbers}
    for frame in frames:
        if frame.place is None:
            raise MaskError(f"{path.name}: frame {frame.index} does not say where it lies; export the mask again.")
        gap = in_groups(frame.groups, "PixelMeasuresSequence", "SpacingBetweenSlices") is not None
        named = in_groups(frame.groups, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
        stored = seg.get_stored_frame(frame.index, as_index=True)
        for number, inside in _by_segment(stored, None if named is None else int(named), cut, planes):
            planes[number].append(_plane(inside, frame.place, gap))
    labels = _labels(seg)
    return [Segment(labels[number], tuple(found)) for number, found in planes.items()]


def _plane(inside: NDArray[np.bool_], place: Place, gap_declared: bool) -> Plane:
    """Keep the box only: whole frames of a hundred segments would not fit in memory."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return Plane(box, (int(rows[0]), int(columns[0])), (inside.shape[0], inside.shape[1]), place, gap_declared)


def _by_segment(
    stored: NDArray[Any], named: int | None, cut: float | None, known: dict[int, list[Plane]]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The segments of one frame that have a voxel; a frame that names none is a label map of all."""
    numbers = [named] if named is not None else [int(n) for n in np.unique(stored) if int(n) in known]
    for number in numbers:
        drawn = stored > 0 if cut is None else stored >= cut
        inside = stored == number if named is None else drawn
        if inside.any():
            yield number, inside


def _labels(seg: Any) -> dict[int, str]:
    """A label for each segment number, each used once."""
    found: dict[int, str] = {}
    for number in map(int, seg.segment_numbers):
        label = printable(str(seg.get_segment_description(number).segment_label)) or f"segment {number}"
        found[number] = label if label not in found.values() else f"{label} ({number})"
    return found


def _opened(path: Path) -> Any:
    try:
        from highdicom.seg import segread
    except ImportError as error:
        raise MissingExtraError(
            f"Reading the DICOM segmentation {path.name} needs highdicom: install radseek[seg], or give "
            "the mask as NIfTI."
        ) from error
    return segread(path)
