"""Slices as pictures for people: the view that was scored, square pixels, orientation letters, a scale bar."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.imaging.views.series_views import iter_views, shown_view
from radseek.retrieval.types import Series, View, Volume

__all__ = ["EDGES", "Picture", "find_view", "picture_of", "png_uri"]

# Letters at left, right, top and bottom of a display-oriented slice (DESIGN: the display orientation).
EDGES = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "H", "F"),
    "sagittal": ("A", "P", "H", "F"),
    "unknown": ("", "", "", ""),
}
_BARS_MM = (100, 50, 20, 10, 5)


@dataclass(frozen=True, slots=True)
class Picture:
    """One slice as an embedded PNG.

    `edges`: the letters at left, right, top and bottom ("R", "L", "A", "P"; "" where the geometry is unknown).
    `bar`: a scale bar's length as a percentage of the width, 0 for none; `bar_mm` is what it measures.
    """

    src: str  # a data: URI
    width: int
    height: int
    alt: str
    caption: str
    edges: tuple[str, str, str, str] = ("", "", "", "")
    bar: float = 0.0
    bar_mm: int = 0


def find_view(series: Series, name: str) -> View:
    """Return the series' view of that name, or what people are shown of it. Raises `UnknownNameError` for others."""
    shown = shown_view(series, name)
    for view in iter_views(series):
        if view.name == shown:
            return view
    raise UnknownNameError(
        f"this series has no view '{name}'; see radseek.retrieval.imaging.views.series_views.view_names"
    )


def picture_of(view: View, z: int, *, caption: str = "", side: int = 320) -> Picture:
    """Draw slice `z` of the Volume (the nearest one that the view holds), its longer side `side` pixels."""
    row = int(np.abs(view.z.astype(np.int64) - z).argmin())
    volume = view.series.volume
    pixels = view.slices[row]
    down, across = _in_plane(volume)
    height, width = pixels.shape[0] * down, pixels.shape[1] * across
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS)
    bar_mm, bar = _bar(width if volume.affine is not None else 0.0)
    what = view.series.modality or "image"
    return Picture(
        src=png_uri(np.asarray(image)),
        width=size[0],
        height=size[1],
        alt=f"{what}, view {view.name}, slice {int(view.z[row]) + 1}",
        caption=caption or _caption(view, row),
        edges=EDGES[volume.provenance.plane],
        bar=bar,
        bar_mm=bar_mm,
    )


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Return `(H, W)` or `(H, W, 3)` uint8 as a PNG in a data: URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _caption(view: View, row: int) -> str:
    count = view.series.volume.voxels.shape[0]
    return view.name if count == 1 else f"{view.name}, slice {int(view.z[row]) + 1} of {count}"


def _in_plane(volume: Volume) -> tuple[float, float]:
    """Row and column spacing in mm; (1, 1) where it is unknown or absurd."""
    spacing = volume.provenance.spacing
    if spacing is None or min(spacing[1:]) <= 0 or max(spacing[1:]) / min(spacing[1:]) > 20:
        return 1.0, 1.0
    return spacing[1], spacing[2]


def _bar(width_mm: float) -> tuple[int, float]:
    """The longest round length that fits in 40 % of the width, and that percentage; (0, 0) without geometry."""
    for length in _BARS_MM:
        if 0 < length <= 0.4 * width_mm:
            return length, round(100 * length / width_mm, 2)
    return 0, 0.0
