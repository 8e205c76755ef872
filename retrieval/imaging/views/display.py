"""How the slices of one volume become display levels: a window, a table, or as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.views.intensity import foreground, percentile_window
from radseek.retrieval.imaging.views.windows import WINDOW_FUNCTIONS, window
from radseek.retrieval.types import Voi

__all__ = ["Display", "from_file", "from_percentiles", "of_range"]

_LARGEST_BYTE: Final = 255


@dataclass(frozen=True, slots=True, eq=False)
class Display:
    """One rule for a whole volume. All fields None: a constant volume, shown as zeros."""

    level: float | None = None
    width: float | None = None
    function: str = "LINEAR_EXACT"
    table: NDArray[np.float32] | None = None  # (L,) in 0..1
    table_first: float = 0.0
    as_is: bool = False
    inverted: bool = False  # MONOCHROME1, applied last

    def apply(self, voxels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return `voxels (Y, X[, 3])`, finite, as uint8 of the same shape."""
        shown = self._shown(voxels)
        if self.inverted:
            np.invert(shown, out=shown)
        return shown

    def _shown(self, voxels: NDArray[Any]) -> NDArray[np.uint8]:
        if self.as_is:
            return voxels.astype(np.uint8)
        if self.table is not None:
            index = np.clip(voxels.astype(np.float32) - self.table_first, 0, len(self.table) - 1)
            unit: NDArray[np.float32] = self.table[index.astype(np.int32)]
            return (unit * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        if self.level is None or self.width is None:
            return np.zeros(voxels.shape, np.uint8)
        return window(voxels, self.level, self.width, self.function)


def from_percentiles(values: NDArray[Any], *, above_otsu: bool, inverted: bool = False) -> Display:
    """Return the percentile window of finite `values`; a constant gives zeros, inverted or not."""
    chosen = percentile_window(foreground(values) if above_otsu else values)
    if chosen is None and above_otsu:
        chosen = percentile_window(values)
    if chosen is None:
        return Display()
    return Display(*chosen, inverted=inverted)


def of_range(low: float, high: float, *, inverted: bool = False) -> Display:
    """Return the display of the whole range of stored values, lowest black: as they are where that is 0 to 255."""
    if (low, high) == (0, _LARGEST_BYTE):
        return Display(as_is=True, inverted=inverted)
    return Display((low + high) / 2, high - low, inverted=inverted)


def from_file(voi: Voi | None, values: NDArray[Any], *, inverted: bool, widest: float | None = None) -> Display | None:
    """Return the table or the first sane window that the file asks for, or None where it has none.

    A table goes first (PS3.3 C.11.2 leaves the choice to the reader): radiographs bring theirs for a reason.
    A window is sane when 0 < width <= `widest`, by default the data's range, and it overlaps the data.
    """
    if voi is None or values.size == 0:
        return None
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return Display()
    if voi.lut is not None and _lut_varies(voi, low, high):
        table = np.clip(np.nan_to_num(voi.lut), 0, 1).astype(np.float32)
        return Display(table=table, table_first=voi.lut_first, inverted=inverted)
    if voi.function not in WINDOW_FUNCTIONS:
        return None
    for center, width in ((voi.center, voi.width), *voi.others):
        if center is None or width is None:
            continue
        if width <= (high - low if widest is None else widest) and _sane(center, width, voi.function, low, high):
            return Display(center, width, voi.function, inverted=inverted)
    return None


def _sane(center: float, width: float, function: str, low: float, high: float) -> bool:
    smallest = 1.0 if function == "LINEAR" else 0.0
    if not (np.isfinite(center) and width >= smallest and width > 0):
        return False
    return center - width / 2 < high and center + width / 2 > low


def _lut_varies(voi: Voi, low: float, high: float) -> bool:
    # A table of one entry, or one that the data never enters, would show nothing.
    if voi.lut is None or len(voi.lut) < 2 or not np.isfinite(voi.lut_first):
        return False
    return low < voi.lut_first + len(voi.lut) - 1 and high > voi.lut_first
