"""One record for each 2-D frame of a file: where it is, and what tells it from others at the same place.

Classic files hold one frame; enhanced ones describe each in functional groups (PS3.3 C.7.6.16); a mosaic
is a file of as many frames as it has tiles; nuclear medicine says it in vectors; a cine has frames and no places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.frame_geometry import Place, place_from
from radseek.retrieval.imaging.dicom.header_values import order_number, value_of
from radseek.retrieval.imaging.dicom.mosaic import Mosaic, grid_note, mosaic_of
from radseek.retrieval.imaging.dicom.nuclear_medicine import is_nm, nm_keys, nm_note, nm_places
from radseek.retrieval.imaging.dicom.split_keys import Groups, bad_numbers, classic_keys, enhanced_keys, in_groups

__all__ = ["Frame", "Place", "Shape", "frames_of", "in_groups"]

Shape = tuple[int, int, str]  # rows, columns, and "colour", "MONOCHROME1" or "MONOCHROME2"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Frame `index` (zero-based) of the file at `path`."""

    path: Path
    index: int
    header: Dataset
    shape: Shape
    place: Place | None
    number: int  # InstanceNumber, then the frame's own; only ever breaks ties
    keys: Mapping[str, str] = field(default_factory=dict)
    groups: Groups = ()  # the frame's functional groups, its own before the shared ones
    notes: tuple[str, ...] = ()  # what a reader of its series should know, as provenance warnings


def frames_of(header: Dataset, path: Path) -> list[Frame]:
    """Return the frames of one file, without decoding any. Raises what pydicom raises on a bad header."""
    mosaic = mosaic_of(header)
    grid = grid_note(header, mosaic)
    notes = (*_number_notes(header), *grid)
    number, _ = order_number(value_of(header, "InstanceNumber"))
    rows, columns, look = _shape(header)
    if mosaic is not None:
        return list(_tiles(header, path, mosaic, (mosaic.rows, mosaic.columns, look), number, notes))
    count = int(header.get("NumberOfFrames") or 1)
    shape = (rows, columns, look)
    if header.get("PerFrameFunctionalGroupsSequence"):
        return list(_enhanced(header, path, shape, count, number, notes))
    if is_nm(header):
        return list(_nuclear(header, path, shape, count, number, notes))
    place, keys = _classic_place(header) if count == 1 and not grid else None, classic_keys(header)
    return [Frame(path, k, header, shape, place, number, keys, (), notes) for k in range(count)]


def _number_notes(header: Dataset) -> tuple[str, ...]:
    return tuple(
        f"bad_number: {name} holds no number; it only orders images or distinguishes them, so it was read as text"
        for name in bad_numbers(header)
    )


def _shape(header: Dataset) -> Shape:
    look = str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip().upper()
    colour = int(header.get("SamplesPerPixel") or 1) > 1 or look == "PALETTE COLOR"
    if not colour and str(header.get("PresentationLUTShape") or "").strip().upper() == "INVERSE":
        look = "MONOCHROME1"  # PS3.3 C.11.6: the same inversion, said in another place
    return int(header.Rows), int(header.Columns), "colour" if colour else look


def _tiles(
    header: Dataset, path: Path, mosaic: Mosaic, shape: Shape, number: int, notes: tuple[str, ...]
) -> Iterator[Frame]:
    keys = classic_keys(header)
    for k in range(mosaic.count):
        yield Frame(path, k, header, shape, mosaic.places[k] if mosaic.places else None, number, keys, (), notes)


def _enhanced(
    header: Dataset, path: Path, shape: Shape, count: int, number: int, notes: tuple[str, ...]
) -> Iterator[Frame]:
    shared = tuple(header.get("SharedFunctionalGroupsSequence") or ())
    per_frame = header.PerFrameFunctionalGroupsSequence
    if len(per_frame) != count:
        raise ValueError(f"{len(per_frame)} per-frame functional groups for {count} frames")
    for k, own in enumerate(per_frame):
        groups = (own, *shared)
        keys = enhanced_keys(header, groups)
        yield Frame(path, k, header, shape, _enhanced_place(groups), number, keys, groups, notes)


def _nuclear(
    header: Dataset, path: Path, shape: Shape, count: int, number: int, notes: tuple[str, ...]
) -> Iterator[Frame]:
    places, own = nm_places(header, count), nm_keys(header, count)
    keys, notes = classic_keys(header), (*notes, *nm_note(header, places))
    for k in range(count):
        yield Frame(path, k, header, shape, places[k], number, keys | own[k], (), notes)


def _enhanced_place(groups: Groups) -> Place | None:
    gap = in_groups(groups, "PixelMeasuresSequence", "SpacingBetweenSlices")
    return place_from(
        in_groups(groups, "PlanePositionSequence", "ImagePositionPatient"),
        in_groups(groups, "PlaneOrientationSequence", "ImageOrientationPatient"),
        in_groups(groups, "PixelMeasuresSequence", "PixelSpacing"),
        gap or in_groups(groups, "PixelMeasuresSequence", "SliceThickness"),
    )


def _classic_place(header: Dataset) -> Place | None:
    return place_from(
        value_of(header, "ImagePositionPatient"),
        value_of(header, "ImageOrientationPatient"),
        value_of(header, "PixelSpacing"),
        value_of(header, "SpacingBetweenSlices") or value_of(header, "SliceThickness"),
    )
