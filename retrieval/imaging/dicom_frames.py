"""One record for each 2-D frame of a file: where it is, and what tells it from others at the same place.

Classic files hold one frame; enhanced ones describe each in functional groups (PS3.3 C.7.6.16); a mosaic
is a file of as many frames as it has tiles; a cine has frames and no places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from retrieval.imaging.mosaic import Mosaic, mosaic_of

__all__ = ["Frame", "Place", "Shape", "frames_of", "in_groups"]

Shape = tuple[int, int, str]  # rows, columns, and "colour", "MONOCHROME1" or "MONOCHROME2"

# What may tell frames at one position apart, in the order in which a series is split by it.
_CLASSIC_KEYS: Final = (
    "StackID", "TemporalPositionIdentifier", "TriggerTime", "NominalPercentageOfCardiacPhase", "DiffusionBValue",
    "EchoNumbers", "EchoTime", "InversionTime", "ImageType", "ConvolutionKernel", "AcquisitionNumber",
    "AcquisitionTime",
)  # fmt: skip
_ENHANCED_KEYS: Final = {
    "StackID": ("FrameContentSequence", "StackID"),
    "TemporalPositionIndex": ("FrameContentSequence", "TemporalPositionIndex"),
    "NominalCardiacTriggerDelayTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "EffectiveEchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "ImageType": ("MRImageFrameTypeSequence", "FrameType"),
    "FrameType": ("CTImageFrameTypeSequence", "FrameType"),
    "FrameAcquisitionNumber": ("FrameContentSequence", "FrameAcquisitionNumber"),
}
# b-values where the standard tag is absent: Siemens, then GE (its first value, modulo 1e9).
_PRIVATE_B: Final = ((0x0019, 0x100C), (0x0043, 0x1039))


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a frame lies: `origin (3,)`, unit vectors `across (3,)` and `down (3,)`, `spacing` (row, column) mm."""

    origin: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float

    @property
    def normal(self) -> NDArray[np.float64]:
        """The unit normal `(3,)`, across x down."""
        normal: NDArray[np.float64] = np.cross(self.across, self.down)
        return normal / np.linalg.norm(normal)


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
    groups: tuple[Dataset, ...] = ()  # the frame's functional groups, its own before the shared ones


def frames_of(header: Dataset, path: Path) -> list[Frame]:
    """Return the frames of one file, without decoding any. Raises what pydicom raises on a bad header."""
    mosaic = mosaic_of(header)
    number = int(header.get("InstanceNumber") or 0)
    rows, columns, look = _shape(header)
    if mosaic is not None:
        return list(_tiles(header, path, mosaic, (mosaic.rows, mosaic.columns, look), number))
    count = int(header.get("NumberOfFrames") or 1)
    shape = (rows, columns, look)
    if header.get("PerFrameFunctionalGroupsSequence"):
        return list(_enhanced(header, path, shape, count, number))
    place = _classic_place(header) if count == 1 else None
    return [Frame(path, k, header, shape, place, number, _classic_keys(header)) for k in range(count)]


def in_groups(groups: tuple[Dataset, ...], sequence: str, keyword: str) -> Any:
    """Return an attribute of the first functional group that holds it, else None."""
    for group in groups:
        items = group.get(sequence)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return None


def _shape(header: Dataset) -> Shape:
    look = str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip().upper()
    colour = int(header.get("SamplesPerPixel") or 1) > 1 or look == "PALETTE COLOR"
    if not colour and str(header.get("PresentationLUTShape") or "").strip().upper() == "INVERSE":
        look = "MONOCHROME1"  # PS3.3 C.11.6: the same inversion, said in another place
    return int(header.Rows), int(header.Columns), "colour" if colour else look


def _tiles(header: Dataset, path: Path, mosaic: Mosaic, shape: Shape, number: int) -> Iterator[Frame]:
    place = _classic_place(header)
    if place is None:
        raise ValueError("a mosaic without orientation or spacing")
    keys, depth = _classic_keys(header), float(np.linalg.norm(mosaic.step))
    for k in range(mosaic.count):
        where = Place(mosaic.origin + k * mosaic.step, place.across, place.down, place.spacing, depth)
        yield Frame(path, k, header, shape, where, number, keys)


def _enhanced(header: Dataset, path: Path, shape: Shape, count: int, number: int) -> Iterator[Frame]:
    shared = tuple(header.get("SharedFunctionalGroupsSequence") or ())
    per_frame = header.PerFrameFunctionalGroupsSequence
    if len(per_frame) != count:
        raise ValueError(f"{len(per_frame)} per-frame functional groups for {count} frames")
    for k, own in enumerate(per_frame):
        groups = (own, *shared)
        yield Frame(path, k, header, shape, _enhanced_place(groups), number, _enhanced_keys(groups), groups)


def _enhanced_place(groups: tuple[Dataset, ...]) -> Place | None:
    position = in_groups(groups, "PlanePositionSequence", "ImagePositionPatient")
    orientation = in_groups(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = in_groups(groups, "PixelMeasuresSequence", "PixelSpacing")
    gap = in_groups(groups, "PixelMeasuresSequence", "SpacingBetweenSlices")
    thickness = gap or in_groups(groups, "PixelMeasuresSequence", "SliceThickness")
    return _place(position, orientation, spacing, thickness)


def _classic_place(header: Dataset) -> Place | None:
    spacing = header.get("PixelSpacing")
    thickness = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
    return _place(header.get("ImagePositionPatient"), header.get("ImageOrientationPatient"), spacing, thickness)


def _place(position: Any, orientation: Any, spacing: Any, thickness: Any) -> Place | None:
    """A Place from header values, None where one is missing or makes no sense."""
    if not position or not orientation or not spacing:
        return None
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2:
        return None
    origin, axes = np.array(position, dtype=np.float64), np.array(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    steps = np.array(spacing, dtype=np.float64)
    if not np.isfinite(origin).all() or not np.isfinite(axes).all() or not np.isfinite(steps).all():
        return None
    if lengths.min() < 0.5 or steps.min() <= 0 or np.linalg.norm(np.cross(axes[0], axes[1])) < 0.5:
        return None
    depth = abs(float(thickness)) if thickness else 0.0
    across, down = axes / lengths[:, None]
    return Place(origin, across, down, (float(steps[0]), float(steps[1])), depth or 1.0)


def _classic_keys(header: Dataset) -> dict[str, str]:
    keys = {name: _text(header.get(name)) for name in _CLASSIC_KEYS}
    if not keys["DiffusionBValue"]:
        keys["DiffusionBValue"] = _private_b(header)
    return {name: value for name, value in keys.items() if value}


def _enhanced_keys(groups: tuple[Dataset, ...]) -> dict[str, str]:
    keys = {name: _text(in_groups(groups, *where)) for name, where in _ENHANCED_KEYS.items()}
    return {name: value for name, value in keys.items() if value}


def _private_b(header: Dataset) -> str:
    for tag in _PRIVATE_B:
        value = header[tag].value if tag in header else None
        first = value[0] if isinstance(value, list | MultiValue) and value else value
        if isinstance(first, bytes):
            first = first.decode("ascii", "ignore").split("\\")[0].strip("\0 ")
        try:
            return str(int(float(str(first))) % 10**9)
        except ValueError:
            continue
    return ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | MultiValue):
        return "\\".join(str(v) for v in value)
    return str(value)
