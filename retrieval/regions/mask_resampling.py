"""One grid of voxels looked up from another by geometry: nearest neighbour, or a plain copy where the grids agree."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Box", "corners_of", "looked_up", "same_grid", "target_box"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # first and last-plus-one of Z, Y and X
_AGREE: Final = 0.1  # of a voxel, anywhere in the box: headers round, and nearest neighbour does not care


def corners_of(shape: tuple[int, ...], margin: float = 0.0) -> NDArray[np.float64]:
    """Return the eight corner voxels `(8, 3)` of a `(Z, Y, X)` box as (x, y, z), moved outwards by `margin` voxels."""
    ends = [(-margin, size - 1 + margin) for size in reversed(shape)]
    return np.array(np.meshgrid(*ends), np.float64).reshape(3, -1).T


def target_box(shape: tuple[int, ...], to_source: NDArray[np.float64], target: tuple[int, ...]) -> Box:
    """Return the part of a target grid `(Z, Y, X)` that a source of `shape` can touch; empty where it is elsewhere.

    `to_source (4, 4)` maps the target's `(x, y, z, 1)` to the source's.
    """
    back = np.linalg.inv(to_source)
    mapped = corners_of(shape, 0.5) @ back[:3, :3].T + back[:3, 3]
    low, high = np.floor(mapped.min(axis=0))[::-1], np.ceil(mapped.max(axis=0))[::-1] + 1
    z, y, x = (
        (int(np.clip(a, 0, size)), int(np.clip(b, 0, size))) for a, b, size in zip(low, high, target, strict=True)
    )
    return z, y, x


def same_grid(to_source: NDArray[np.float64], box: Box) -> bool:
    """Whether every voxel centre of the target's box lies on a voxel centre of the source."""
    turn = np.round(to_source[:3, :3])
    if not ((np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()):
        return False
    points = _box_corners(box)
    mapped = points @ to_source[:3, :3].T + to_source[:3, 3]
    drift = mapped - points @ turn.T
    return bool(np.abs(drift - np.round(drift[0])).max() < _AGREE)


def looked_up(inside: NDArray[np.bool_], to_source: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    """Return the source `inside (Z, Y, X)` at every voxel centre of the target's box; False beyond its edges."""
    sizes = tuple(high - low for low, high in box)
    if min(sizes) <= 0:
        return np.zeros(sizes, np.bool_)
    if same_grid(to_source, box):
        return _copied(inside, to_source, box)
    matrix = to_source[2::-1, 2::-1]  # (z, y, x), as arrays are indexed
    offset = matrix @ np.array([low for low, _ in box], np.float64) + to_source[2::-1, 3]
    # grid-constant: a voxel reaches half a step beyond its centre, also at the source's edge.
    found = ndimage.affine_transform(
        inside.view(np.uint8), matrix, offset, output_shape=sizes, order=0, mode="grid-constant", prefilter=False
    )
    return np.asarray(found, np.bool_)


def _copied(inside: NDArray[np.bool_], to_source: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    """The same voxels in the target's order: axes exchanged, turned round and cut."""
    first = np.array([low for low, _ in box], np.float64)
    turn = np.round(to_source[2::-1, 2::-1]).astype(np.intp)
    start = np.round(to_source[2::-1, 2::-1] @ first + to_source[2::-1, 3]).astype(np.intp)
    out = np.zeros(tuple(high - low for low, high in box), np.bool_)
    axes = [int(np.flatnonzero(turn[:, axis])[0]) for axis in range(3)]  # the source's axis behind each of the target's
    kept, rows = [], []
    for axis, source in enumerate(axes):
        index = start[source] + turn[source, axis] * np.arange(out.shape[axis])
        good = (index >= 0) & (index < inside.shape[source])
        kept.append(good)
        rows.append(index[good])
    out[np.ix_(*kept)] = inside.transpose(axes)[np.ix_(*rows)]
    return out


def _box_corners(box: Box) -> NDArray[np.float64]:
    ends = [(low, max(low, high - 1)) for low, high in reversed(box)]
    return np.array(np.meshgrid(*ends), np.float64).reshape(3, -1).T
