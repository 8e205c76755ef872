"""Between a slice's own pixels and the encoder's square input: `prepare_slices` undone, and grids of cells drawn out.

Positions are continuous and counted from a picture's outer corner, `(down, across)`: pixel `i` spans `i` to `i + 1`.
numpy and scipy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from radseek.retrieval.encoders.spec import Preprocess

__all__ = ["Placement", "place", "spread", "to_slice"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a slice `shape (H, W)` lies in the input `(size, size)`: `input = scale * slice + offset` on each axis.

    Parts of the slice beyond the input were cropped away; parts of the input beyond the slice are padding.
    """

    shape: tuple[int, int]
    size: int
    scale: tuple[float, float]
    offset: tuple[float, float]


def place(shape: tuple[int, int], preprocess: Preprocess) -> Placement:
    """Return where `prepare_slices` puts a slice of `shape (H, W)`, its rounding included.

    Of an input that is no square nothing is drawn, and its place is that of a square of its height.
    """
    size, side = preprocess.size, preprocess.resize or preprocess.size
    if preprocess.resize_mode == "pad":
        whole = max(size, *shape)
        shrunk = size / whole
        down, across = ((whole - length) // 2 * shrunk for length in shape)
        return Placement(shape, size, (shrunk, shrunk), (down, across))
    if preprocess.resize_mode == "squash":
        resized = (side, side)
    elif preprocess.resize_mode == "longest":
        ratio = max(shape) / size
        resized = (max(1, round(shape[0] / ratio)), max(1, round(shape[1] / ratio)))
    else:
        short = min(shape)
        resized = (side * shape[0] // short, side * shape[1] // short)
    scale = (resized[0] / shape[0], resized[1] / shape[1])
    floor = preprocess.resize_mode == "shortest_floor"
    return Placement(shape, size, scale, (_offset(resized[0], size, floor), _offset(resized[1], size, floor)))


def spread(
    grid: NDArray[np.floating], size: int, points: int, *, lean: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.float32]:
    """Draw a grid of cells `(h, w)` that share an input of `size` pixels out to `(points, points)` over that input.

    A cell's value stands at its centre, `(i + 1/2) * size / h`, moved by `lean` pixels (down, across); between centres
    a cubic B-spline smooths (about half a cell), which puts a peak between cells where its neighbours say so.
    """
    at = (np.arange(points) + 0.5) * size / points
    steps = [(at - lean[axis]) * grid.shape[axis] / size - 0.5 for axis in (0, 1)]
    where = np.meshgrid(*steps, indexing="ij")
    drawn = map_coordinates(grid.astype(np.float64), where, order=3, mode="mirror", prefilter=False)
    return np.asarray(drawn, np.float32)


def to_slice(over_input: NDArray[np.floating], placement: Placement) -> NDArray[np.float32]:
    """Return a map `(n, n)` over the input as `(H, W)` float32 over the slice; NaN where the encoder saw nothing."""
    axes = []
    for axis in (0, 1):
        centres = (np.arange(placement.shape[axis]) + 0.5) * placement.scale[axis] + placement.offset[axis]
        axes.append(centres)
    where = np.meshgrid(*[at * len(over_input) / placement.size - 0.5 for at in axes], indexing="ij")
    drawn = map_coordinates(over_input.astype(np.float64), where, order=1, mode="nearest").astype(np.float32)
    for axis, at in enumerate(axes):
        unseen = (at < 0) | (at > placement.size)
        drawn[(unseen, slice(None)) if axis == 0 else (slice(None), unseen)] = np.nan
    return np.asarray(drawn, np.float32)


def _offset(resized: int, size: int, floor: bool) -> float:
    """Return where the resized slice begins: padding before it, or minus what a centred crop takes away."""
    if resized < size:
        return float((size - resized) // 2)
    return -float((resized - size) // 2 if floor else round((resized - size) / 2.0))
