"""A volume seen as axial, coronal or sagittal planes: axes swapped and flipped, nothing resampled.

Every plane runs as `imaging.orientation` displays it: axial rows to the patient's left and columns to posterior,
coronal to left and feet, sagittal to posterior and feet, so the patient's left is on the right of the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.imaging.orientation import spacing_zyx
from radseek.retrieval.types import Volume

__all__ = ["PLANES", "STACK", "Cut", "Planes", "edge_letters", "opposite", "plane_names", "planes_of"]

PLANES: Final = ("axial", "coronal", "sagittal")
STACK: Final = "stack"  # the slices of a volume without geometry
_FEWEST: Final = 4  # slices from which another plane is made; fewer show nothing but lines
_STRAIGHT: Final = 0.26  # an axis turned by less than 15 degrees takes no second letter

Kind = Literal["int16", "float32", "rgb"]

# Where X, Y and Z of each plane run to, in letters of the patient (H head, F feet).
_RUNS: Final = {"axial": "LPH", "coronal": "LFP", "sagittal": "PFR"}
_OPPOSITE: Final = {"L": "R", "R": "L", "P": "A", "A": "P", "H": "F", "F": "H"}
_TOWARDS: Final = ("LR", "PA", "HF")  # the letters of LPS axes, positive first


@dataclass(frozen=True, slots=True)
class Cut:
    """One plane as bytes, row by row, little-endian: `rows x columns` of `kind`."""

    data: bytes
    kind: Kind
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A volume as a stack of planes: `voxels (K, R, C[, 3])`, a view of the volume's own, and their `affine`.

    `native`: these are the slices as they were acquired, so K is the volume's Z.
    """

    name: str
    voxels: NDArray[Any]
    affine: NDArray[np.float64] | None
    native: bool
    kind: Kind

    def cut(self, k: int) -> Cut:
        """Return plane `k`. Raises `UnknownNameError` where there is no such plane."""
        count, rows, columns = self.voxels.shape[:3]
        if not 0 <= k < count:
            raise UnknownNameError(f"There is no {self.name} plane {k}; there are planes 0 to {count - 1}.")
        stored = {"int16": "<i2", "float32": "<f4", "rgb": "u1"}[self.kind]
        return Cut(np.ascontiguousarray(self.voxels[k]).astype(stored, copy=False).tobytes(), self.kind, rows, columns)

    def centres(self) -> list[list[float]] | None:
        """Return the centres of the first and the second plane in patient LPS mm; None without geometry."""
        if self.affine is None:
            return None
        _, rows, columns = self.voxels.shape[:3]
        middle = np.array([[(columns - 1) / 2, (rows - 1) / 2, k, 1.0] for k in (0, 1)])
        return [[float(value) for value in point] for point in (middle @ self.affine.T)[:, :3]]

    def spacing(self) -> tuple[float, float, float] | None:
        """Return mm between planes, rows and columns; None without geometry."""
        return None if self.affine is None else spacing_zyx(self.affine)


def plane_names(volume: Volume) -> tuple[str, ...]:
    """Return the planes that a volume can be seen in, its own first: `("stack",)` without geometry."""
    own = volume.provenance.plane
    if volume.affine is None or own == "unknown":
        return (STACK,)
    if volume.voxels.shape[0] < _FEWEST:
        return (own,)
    return (own, *(name for name in PLANES if name != own))


def planes_of(volume: Volume, name: str) -> Planes:
    """Return a volume as planes of that name. Raises `UnknownNameError` for one that it cannot be seen in."""
    names = plane_names(volume)
    if name not in names:
        raise UnknownNameError(f"This series cannot be seen in '{name}' planes; it has {', '.join(names)}.")
    kind = _kind(volume)
    if name == names[0]:
        return Planes(name, volume.voxels, volume.affine, native=True, kind=kind)
    columns, flipped = _turn(names[0], name)
    axes = [2 - column for column in reversed(columns)]
    voxels = volume.voxels.transpose(*axes, *range(3, volume.voxels.ndim))
    voxels = np.flip(voxels, tuple(2 - new for new in range(3) if flipped[new]))
    return Planes(name, voxels, _turned(volume, columns, flipped), native=False, kind=kind)


def edge_letters(affine: NDArray[np.float64] | None) -> tuple[str, str, str, str]:
    """Return the patient's letters at left, right, top and bottom; "" without geometry.

    An oblique edge has its nearest letter first and the next where it is turned by 15 degrees or more.
    """
    if affine is None:
        return "", "", "", ""
    right, bottom = _letters(affine[:3, 0]), _letters(affine[:3, 1])
    return opposite(right), right, opposite(bottom), bottom


def opposite(letters: str) -> str:
    """Return the letters of the other end.

    >>> opposite("PF")
    'AH'
    """
    return "".join(_OPPOSITE[letter] for letter in letters)


def _letters(direction: NDArray[np.float64]) -> str:
    unit = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(unit), kind="stable")[:2]
    kept = [axis for place, axis in enumerate(order) if place == 0 or abs(unit[axis]) >= _STRAIGHT]
    return "".join(_TOWARDS[axis][0 if unit[axis] > 0 else 1] for axis in kept)


def _turn(own: str, wanted: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """For X, Y and Z wanted: which of the own axes it is (0 X, 1 Y, 2 Z), and whether it runs the other way."""
    runs = _RUNS[own]
    columns = tuple(next(i for i, c in enumerate(runs) if c in (to, _OPPOSITE[to])) for to in _RUNS[wanted])
    return columns, tuple(runs[column] != to for column, to in zip(columns, _RUNS[wanted], strict=True))


def _turned(volume: Volume, columns: tuple[int, ...], flipped: tuple[bool, ...]) -> NDArray[np.float64] | None:
    if volume.affine is None:
        return None
    to_own = np.zeros((4, 4))
    to_own[3, 3] = 1.0
    for new, (column, back) in enumerate(zip(columns, flipped, strict=True)):
        to_own[column, new] = -1.0 if back else 1.0
        to_own[column, 3] = volume.voxels.shape[2 - column] - 1 if back else 0.0
    return np.asarray(volume.affine @ to_own)


def _kind(volume: Volume) -> Kind:
    if volume.is_colour:
        return "rgb"
    voxels = volume.voxels
    if voxels.dtype.kind not in "iub" or not voxels.size:
        return "float32"
    if np.can_cast(voxels.dtype, np.int16):
        return "int16"
    return "int16" if voxels.min() >= -32768 and voxels.max() <= 32767 else "float32"
