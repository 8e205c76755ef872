"""The longest diameter of a region within one slice, and the longest line across it, in millimetres.

RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247) measures the longest diameter in the plane of acquisition,
and of a lymph node the short axis, the longest diameter perpendicular to it in the same slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

__all__ = ["Diameters", "axial_diameters"]

Point = tuple[float, float, float]
_TOUCHING: Final = np.ones((3, 3), np.bool_)  # voxels of a slice that share an edge or a corner are one outline


@dataclass(frozen=True, slots=True)
class Diameters:
    """`longest` and `short` in mm; `z` is the slice of the box; ends in patient LPS mm, of each line two."""

    longest: float
    short: float
    z: int
    longest_ends: tuple[Point, Point]
    short_ends: tuple[Point, Point]


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """Hull points `(N, 2)` in mm along the slice's own axes, and its two farthest, by row."""

    z: int
    hull: NDArray[np.float64]
    first: int
    last: int
    longest: float


def axial_diameters(inside: NDArray[np.bool_], affine: NDArray[np.float64]) -> Diameters:
    """Return the longest diameter over all slices of `inside (Z, Y, X)` bool, and its perpendicular.

    Only one outline of a slice is measured at a time: a line never runs from one lesion to another. Outlines pass half
    way between voxels that are in and voxels that are out, which is never more than half a voxel from the edge that
    was sampled; a diameter is so within one voxel of it, and on average about half a voxel long. `inside` must have a
    voxel; `affine (4, 4)` maps its `(x, y, z, 1)` to LPS mm.
    """
    axes = _plane_axes(affine)
    scale = axes @ affine[:3, :2]  # (2, 2): voxel columns and rows to mm in the slice
    best: _Outline | None = None
    for reach, z, outline in _outlines(inside, scale):
        if best is not None and reach <= best.longest:
            break  # the rest are smaller still
        found = _measured(z, outline)
        best = found if best is None or found.longest > best.longest else best
    if best is None:
        raise ValueError("a region without a voxel has no diameter")
    return _described(best, affine, axes, scale)


def _plane_axes(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two unit vectors at right angles that span the slice, `(2, 3)`; its own columns and rows may be skewed."""
    across = affine[:3, 0] / np.linalg.norm(affine[:3, 0])
    down = affine[:3, 1] - (affine[:3, 1] @ across) * across
    return np.stack([across, down / np.linalg.norm(down)])


def _outlines(inside: NDArray[np.bool_], scale: NDArray[np.float64]) -> list[tuple[float, int, NDArray[np.float64]]]:
    """Every outline's reach, slice and edge points `(N, 2)` in mm, the farthest-reaching first."""
    found = []
    for z, plane in enumerate(inside):
        labels, _ = ndimage.label(plane, _TOUCHING)
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            points = _edge_points(labels[box] == number) + np.array([box[1].start, box[0].start])
            placed = points @ scale.T
            found.append((_reach(placed), z, placed))
    return sorted(found, key=lambda one: (-one[0], one[1]))


def _edge_points(plane: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where `plane (Y, X)` changes from in to out, half way between the two voxels: `(N, 2)` as (x, y)."""
    padded = np.pad(plane, 1)
    rows = np.argwhere(padded[1:] != padded[:-1])[:, ::-1] - np.array([1.0, 0.5])
    columns = np.argwhere(padded[:, 1:] != padded[:, :-1])[:, ::-1] - np.array([0.5, 1.0])
    return np.concatenate([rows, columns])


def _reach(points: NDArray[np.float64]) -> float:
    """The diagonal of the points' box: no two are farther apart."""
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _measured(z: int, points: NDArray[np.float64]) -> _Outline:
    hull = points[ConvexHull(points).vertices]
    apart = squareform(pdist(hull))
    first, last = np.unravel_index(int(apart.argmax()), apart.shape)
    return _Outline(z, hull, int(first), int(last), float(apart[first, last]))


def _described(
    outline: _Outline, affine: NDArray[np.float64], axes: NDArray[np.float64], scale: NDArray[np.float64]
) -> Diameters:
    short, short_line = _across(outline)
    lines = np.concatenate([outline.hull[[outline.first, outline.last]], short_line])
    voxels = np.linalg.solve(scale, lines.T)
    places = (affine @ np.vstack([voxels, np.full(4, outline.z), np.ones(4)]))[:3].T
    a, b, c, d = ((float(x), float(y), float(z)) for x, y, z in places)
    return Diameters(outline.longest, short, outline.z, (a, b), (c, d))


def _across(outline: _Outline) -> tuple[float, NDArray[np.float64]]:
    """The longest line through the hull at right angles to the longest diameter: its length and ends `(2, 2)`."""
    start, end = outline.hull[outline.first], outline.hull[outline.last]
    along = (end - start) / outline.longest
    aside = np.array([-along[1], along[0]])
    t, s = (outline.hull - start) @ along, (outline.hull - start) @ aside
    # The ends of the longest diameter are the outermost points along it; they part the hull in two sides.
    s[[outline.first, outline.last]] = 0.0  # exactly, so that they are the ends of both
    tops, bottoms = (_chain(t, s, side) for side in (s >= 0, s <= 0))
    widest = int(np.argmax(tops - bottoms))  # a hull's width changes straight between its corners
    ends = start + t[widest] * along + np.outer([tops[widest], bottoms[widest]], aside)
    return float(tops[widest] - bottoms[widest]), ends


def _chain(t: NDArray[np.float64], s: NDArray[np.float64], side: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far one side of the hull reaches aside, at every corner's place along."""
    order = np.argsort(t[side], kind="stable")
    return np.interp(t, t[side][order], s[side][order])
