"""Turn a volume the way radiologists look at it, by flips and an in-plane swap only.

Voxels are `(Z, Y, X)` with Z the acquisition's slice axis; slices stay slices. World is patient LPS mm.

| plane    | X runs to | Y runs to | Z runs to       |
|----------|-----------|-----------|-----------------|
| axial    | left      | posterior | head            |
| coronal  | left      | feet      | posterior       |
| sagittal | posterior | feet      | patient's right |

Nothing is interpolated: every voxel keeps its value, and the affine keeps its place exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORIENTATION_RULE", "Oriented", "Plane", "pixel_warnings", "plane_of", "spacing_zyx", "to_display", "usable"]

Plane = Literal["axial", "coronal", "sagittal", "unknown"]

# LPS directions that X, Y and Z of the display run to. The order of the planes also settles ties:
# a normal exactly between two of them belongs to the earlier.
_DIRECTIONS: Final[dict[Plane, tuple[tuple[int, int, int], ...]]] = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
}
# Direction cosines in headers are rounded (DICOM text, NIfTI float32); closer than this is a tie.
_TIE: Final = 1e-4
_SQUARE: Final = 1.05  # pixels within 5 % of square look square

ORIENTATION_RULE: Final = "axial LPH, coronal LFP, sagittal PFR; slice axis kept; nearest axis"


@dataclass(frozen=True, slots=True, eq=False)
class Oriented:
    """`voxels (Z, Y, X[, 3])` as displayed, their `affine` (None: unknown), and what was done, in order."""

    voxels: NDArray[Any]
    affine: NDArray[np.float64] | None
    ops: tuple[str, ...]
    plane: Plane


def usable(affine: NDArray[np.float64]) -> bool:
    """Whether an affine `(4, 4)` places voxels in space: finite, no axis of zero length, not singular."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if lengths.min() < 1e-6 or lengths.max() > 1e6:
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3)


def plane_of(affine: NDArray[np.float64]) -> Plane:
    """Return the plane nearest to the slices, judged by the normal of the in-plane axes.

    The normal, not the step between slices: a tilted gantry shears the step, not the slice.
    """
    normal = np.abs(np.cross(affine[:3, 0], affine[:3, 1]))
    normal = normal / np.linalg.norm(normal)
    best: Plane = "axial"
    for plane in _DIRECTIONS:
        if _along(normal, plane) > _along(normal, best) + _TIE:
            best = plane
    return best


def spacing_zyx(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return millimetres between slice planes, rows and columns, in the order `(Z, Y, X)`.

    Z is measured along the slice normal, so a tilted gantry does not lengthen it.
    """
    x, y = affine[:3, 0], affine[:3, 1]
    normal = np.cross(x, y)
    gap = abs(float(affine[:3, 2] @ normal) / float(np.linalg.norm(normal)))
    return gap, float(np.linalg.norm(y)), float(np.linalg.norm(x))


def pixel_warnings(affine: NDArray[np.float64] | None) -> tuple[str, ...]:
    """Return `("anisotropic_pixels: ...",)` where rows and columns differ by more than 5 %, else `()`.

    Slices are shown pixel by pixel, so such a picture is stretched; whoever reads a score should know.
    """
    if affine is None:
        return ()
    _, rows, columns = spacing_zyx(affine)
    if max(rows, columns) <= _SQUARE * min(rows, columns):
        return ()
    return (f"anisotropic_pixels: {rows:.3g} mm between rows, {columns:.3g} mm between columns",)


def to_display(voxels: NDArray[Any], affine_lps: NDArray[np.float64] | None) -> Oriented:
    """Orient `voxels (Z, Y, X)` or `(Z, Y, X, 3)` for display; the affine maps `(x, y, z, 1)` to LPS mm.

    The result is a view of the input, never a copy. Without a usable affine the voxels come back
    unchanged, with no affine and plane "unknown". Oblique slices go by their nearest axes; ties are fixed.
    """
    if affine_lps is None:
        return Oriented(voxels, None, (), "unknown")
    affine = np.array(affine_lps, dtype=np.float64)
    if not usable(affine):
        return Oriented(voxels, None, ("affine dropped: singular or not finite",), "unknown")
    plane = plane_of(affine)
    ops: list[str] = []
    if _needs_swap(affine, plane):
        voxels = voxels.swapaxes(1, 2)
        affine = affine[:, [1, 0, 2, 3]]
        ops.append("swap x y")
    for column, name in enumerate("xyz"):
        if affine[:3, column] @ np.asarray(_DIRECTIONS[plane][column]) < 0:
            axis = 2 - column
            voxels = np.flip(voxels, axis)
            affine = affine @ _flip(column, voxels.shape[axis])
            ops.append(f"flip {name}")
    return Oriented(voxels, affine, tuple(ops), plane)


def _along(normal: NDArray[np.float64], plane: Plane) -> float:
    return float(normal @ np.abs(np.asarray(_DIRECTIONS[plane][2])))


def _needs_swap(affine: NDArray[np.float64], plane: Plane) -> bool:
    along_x, along_y = np.abs(np.asarray(_DIRECTIONS[plane][:2], dtype=np.float64))
    axes = np.abs(affine[:3, :2]) / np.linalg.norm(affine[:3, :2], axis=0)
    kept = along_x @ axes[:, 0] + along_y @ axes[:, 1]
    swapped = along_x @ axes[:, 1] + along_y @ axes[:, 0]
    return bool(swapped > kept + _TIE)


def _flip(column: int, length: int) -> NDArray[np.float64]:
    # new index i is old index length - 1 - i
    matrix = np.eye(4)
    matrix[column, column] = -1.0
    matrix[column, 3] = length - 1
    return matrix
