"""The ways of showing a series' grey levels that a reader may choose from, the one that was scored first."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.views.display import Display, from_file
from radseek.retrieval.imaging.views.intensity import finite
from radseek.retrieval.imaging.views.series_views import display_of, unpadded, view_names
from radseek.retrieval.imaging.views.windows import CT_WINDOWS
from radseek.retrieval.types import Series

__all__ = ["Preset", "presets_of"]

_FILE: Final = "file"  # as the file itself asks to be shown
_FULL: Final = "full"  # from the lowest to the highest voxel


@dataclass(frozen=True, slots=True, eq=False)
class Preset:
    """A named display: a window, or a table of levels 0..255 whose first entry is for the voxel `table_first`."""

    name: str
    level: float
    width: float
    function: str = "LINEAR_EXACT"
    table: NDArray[np.uint8] | None = None
    table_first: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values; a table in base64."""
        written = {"name": self.name, "level": self.level, "width": self.width, "function": self.function}
        if self.table is None:
            return written
        table = base64.b64encode(self.table.tobytes()).decode("ascii")
        return {**written, "table": table, "table_first": self.table_first}


def presets_of(series: Series) -> tuple[Preset, ...]:
    """Return what a reader may choose from: the displays of the series' views first, in their order.

    CT in HU has all the windows it is read in; everything else its view's, the file's own and the full range. Colour
    has none.
    """
    volume = series.volume
    if volume.is_colour or not volume.voxels.size:
        return ()
    voxels = finite(volume.voxels)
    full = _full(voxels)
    own = view_names(series)
    if own[0] in CT_WINDOWS:
        named = [Preset(name, *CT_WINDOWS[name]) for name in dict.fromkeys((*own, *CT_WINDOWS))]
    else:
        named = [_of_view(own[0], series, voxels) or Preset(own[0], full.level, full.width)]
    filed = _from_file(series, voxels)
    if filed is not None and all(not _same(filed, one) for one in named):
        named.append(filed)
    return (*named, full)


def _full(voxels: NDArray[Any]) -> Preset:
    low, high = float(voxels.min()), float(voxels.max())
    return Preset(_FULL, (low + high) / 2, max(high - low, 1e-6))


def _of_view(name: str, series: Series, voxels: NDArray[Any]) -> Preset | None:
    shown = display_of(name, series, voxels)
    return Preset(name, 127.5, 255.0) if shown.as_is else _preset(name, shown)


def _from_file(series: Series, voxels: NDArray[Any]) -> Preset | None:
    return _preset(_FILE, from_file(series.voi, unpadded(series, voxels), inverted=False))


def _preset(name: str, shown: Display | None) -> Preset | None:
    if shown is None:
        return None
    if shown.table is not None:
        levels = (shown.table * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        span = float(len(levels) - 1)
        return Preset(name, shown.table_first + span / 2, span, "TABLE", levels, shown.table_first)
    if shown.level is None or shown.width is None:
        return None
    return Preset(name, float(shown.level), float(shown.width), shown.function)


def _same(one: Preset, other: Preset) -> bool:
    return (one.level, one.width, one.function) == (other.level, other.width, other.function)
