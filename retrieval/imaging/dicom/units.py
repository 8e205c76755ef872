"""What the rescaled values of a stack mean: HU for CT that can be, SUV for PET that proves it, else raw.

HU is claimed for RescaleType HU, or none, of a CT image (PS3.3 C.8.2.1); for an unspecified one (US, PS3.3 C.11.1.1.2)
or a capture only where the values look like it. Grey levels 0 to 255 are a picture of a CT, whatever the header says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.header_numbers import whole_number
from radseek.retrieval.imaging.dicom.object_kind import is_capture, is_computed_map
from radseek.retrieval.imaging.dicom.pixel_padding import Padding
from radseek.retrieval.imaging.dicom.rescale import rescale_pair, rescale_type
from radseek.retrieval.imaging.dicom.suv import suv_of
from radseek.retrieval.imaging.hounsfield import can_be_hu, hu_warnings, reaches_air
from radseek.retrieval.types import Unit

__all__ = ["Voxels", "in_units"]

_HU_TYPES: Final = frozenset({"", "HU", "US"})


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Voxels `(Z, Y, X[, 3])` of a `unit`, where their rescale came from, and what to say of them.

    `attributes` hold their padding, in the same unit, as `radseek.retrieval.imaging.views.series_views` reads it.
    """

    values: NDArray[Any]
    rescale: str
    unit: Unit = "raw"
    warnings: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


def in_units(values: NDArray[Any], rescale: str, frame: Frame, modality: str, padding: Padding | None) -> Voxels:
    """Return what the rescaled `values` of a stack are, `frame` its first one, `padding` in the values' unit."""
    if values.ndim == 4:
        return Voxels(values, rescale)
    if modality == "CT":
        unit, found = _hounsfield(values, rescale, frame, padding)
        return Voxels(values, rescale, unit, found, _written(padding))
    if modality != "PT":
        return Voxels(values, rescale, attributes=_written(padding))
    suv = suv_of(frame.header)
    if suv.factor is None:
        return Voxels(values, rescale, "raw", suv.warnings, _written(padding))
    if suv.factor == 1:
        return Voxels(values, rescale, "SUV", suv.warnings, _written(padding))
    factor = np.float32(suv.factor)
    scaled = None if padding is None else (_times(padding[0], factor), _times(padding[1], factor))
    values = values.astype(np.float32, copy=False) * factor
    return Voxels(values, "suv", "SUV", suv.warnings, _written(scaled))


def _hounsfield(
    values: NDArray[Any], rescale: str, frame: Frame, padding: Padding | None
) -> tuple[Unit, tuple[str, ...]]:
    kind = rescale_type(frame)
    if kind not in _HU_TYPES:
        return "raw", (f"not_hu: the header says that the values are {kind[:16]}",)
    if is_computed_map(frame.header):
        return "raw", ("computed_map: ImageType names a quantity computed from CT, so the values are no HU",)
    if _is_picture(values, frame):
        return "raw", ("not_hu: grey levels of a picture, 0 to 255, not CT numbers",)
    if rescale == "none" and not reaches_air(values):
        return "raw", ("hu_suspect: no rescale in the header and no air near -1000, so the unit is unknown",)
    found = hu_warnings(values, None if padding is None else (min(padding), max(padding)))
    if found and (kind == "US" or is_capture(frame.header)):
        return "raw", (*found, "not_hu: the header does not say that the values are HU, and they do not look like it")
    return "HU", (*found, *_padding_warning(values, padding))


def _is_picture(values: NDArray[Any], frame: Frame) -> bool:
    if can_be_hu(values):
        return False
    pair = rescale_pair(frame)
    return whole_number(frame.header, "BitsStored", 16) <= 8 or pair is None or pair[1] == 0


def _padding_warning(values: NDArray[Any], padding: Padding | None) -> tuple[str, ...]:
    if padding is None or min(padding) >= -1024:
        return ()
    low, high = min(padding), max(padding)
    if not ((values >= low) & (values <= high)).any():
        return ()
    held = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return (f"padding: voxels outside the scanned field hold {held}, which is no tissue",)


def _times(value: float, factor: np.float32) -> float:
    return float(np.float32(value) * factor)


def _written(padding: Padding | None) -> dict[str, str]:
    """Padding as attributes; nine digits hold a float32 exactly."""
    if padding is None:
        return {}
    value = {"PixelPaddingValue": f"{padding[0]:.9g}"}
    return value if padding[0] == padding[1] else {**value, "PixelPaddingRangeLimit": f"{padding[1]:.9g}"}
