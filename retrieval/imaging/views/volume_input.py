"""A Volume on the grid of a volume encoder: turned to its axes, resampled, cropped or padded, scaled to its channels.

The grid lies along the Volume's own axes, those nearest to the encoder's, so a tilted stack stays tilted as it was
acquired. Where its voxels lie on them is the grid's `fit`: as torchio's, MONAI's or torch's resampling lays them. The
middle of what results is cropped or padded; values between voxels are linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from radseek.prompts.finding import VOLUME_VIEWS
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.orientation import usable
from radseek.retrieval.imaging.views.intensity import finite
from radseek.retrieval.types import Series, VolumeGrid

__all__ = ["VolumeInput", "volume_input"]

# The patient's directions in LPS: right, left, anterior, posterior, superior, inferior.
_LETTERS: Final = {
    "R": (-1.0, 0.0, 0.0),
    "L": (1.0, 0.0, 0.0),
    "A": (0.0, -1.0, 0.0),
    "P": (0.0, 1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}
_FEWEST: Final = 4  # slices of a volume


@dataclass(frozen=True, slots=True, eq=False)
class VolumeInput:
    """What a volume encoder is given of a Series, as its view `name`.

    `values (C, Z, Y, X)` float32. `affine (4, 4)`: `affine @ (x, y, z, 1)` of the grid is patient LPS mm; `native` and
    `shape (Z, Y, X)`: the Volume's own affine and size.
    """

    name: str
    values: NDArray[np.float32]
    affine: NDArray[np.float64]
    native: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def slices(self) -> NDArray[np.float32]:
        """Return the one volume to encode as a batch `(1, C, Z, Y, X)`."""
        return self.values[None]

    def position(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return patient LPS mm `(P, 3)` of places `(P, 3)` on the grid, `(z, y, x)` in voxels."""
        return _moved(self.affine, places[:, ::-1])

    def native_voxels(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the Volume's voxels `(P, 3)`, `(z, y, x)` with fractions, of places on the grid."""
        return _moved(np.asarray(np.linalg.inv(self.native), np.float64), self.position(places))[:, ::-1]


def volume_input(series: Series, grid: VolumeGrid) -> VolumeInput:
    """Return a Series on an encoder's grid.

    Raises `InputError` (`not_for_encoder`) for what it does not read: another modality, no place in the patient, a
    single slice, a CT that is not in HU, colour.
    """
    volume = series.volume
    _check(series, grid)
    affine = np.asarray(volume.affine, np.float64)
    voxels, turned = _turned(finite(volume.voxels), affine, grid.axes)
    values, placed = _resampled(voxels, turned, grid)
    low, high = grid.scaled_to
    channels = [
        (np.clip(values, first, last) - np.float32(first)) * np.float32((high - low) / (last - first)) + np.float32(low)
        for first, last in grid.ranges
    ]
    shape = volume.voxels.shape
    return VolumeInput(
        VOLUME_VIEWS[series.modality], np.stack(channels), placed, affine, (shape[0], shape[1], shape[2])
    )


def _check(series: Series, grid: VolumeGrid) -> None:
    volume = series.volume
    reads = f"This encoder reads volumes of {' and '.join(grid.modalities)}"
    if series.modality not in grid.modalities:
        raise InputError(
            Reason.NOT_FOR_ENCODER,
            f"{reads}, and this series is {series.modality or 'of unknown modality'}; where files do not say it, name "
            "it with --modality, or use an encoder of slices.",
        )
    lack = (
        "is a picture in colour" if volume.is_colour
        else f"has {len(volume.voxels)} of the {_FEWEST} slices that a volume takes at least"
        if len(volume.voxels) < _FEWEST
        else "has no place in the patient (no affine)" if volume.affine is None or not usable(volume.affine)
        else f"is not in HU but {volume.unit}" if series.modality == "CT" and volume.unit != "HU"
        else ""
    )  # fmt: skip
    if lack:
        raise InputError(Reason.NOT_FOR_ENCODER, f"{reads}, and this series {lack}; use an encoder of slices.")


def _turned(voxels: NDArray[Any], affine: NDArray[np.float64], axes: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return voxels whose Z, Y and X run nearest to the directions `axes`, and their affine: swaps and flips only."""
    wanted = np.array([_LETTERS[letter] for letter in axes[::-1]]).T  # columns: X, Y, Z
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = wanted.T @ directions  # of each wanted axis, each own one
    order = max(permutations(range(3)), key=lambda p: sum(abs(along[i, own]) for i, own in enumerate(p)))
    voxels = voxels.transpose([2 - own for own in order[::-1]])
    turned = affine[:, [*order, 3]].copy()
    for column in range(3):
        if along[column, order[column]] < 0:
            voxels = np.flip(voxels, 2 - column)
            turned[:3, 3] += turned[:3, column] * (voxels.shape[2 - column] - 1)
            turned[:3, column] *= -1
    return voxels, turned


def _resampled(
    voxels: NDArray[Any], affine: NDArray[np.float64], grid: VolumeGrid
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the values `(Z, Y, X)` on the grid and its affine, from voxels whose axes are the grid's."""
    own = np.linalg.norm(affine[:3, :3], axis=0)[::-1]  # mm, (Z, Y, X)
    count = np.array(voxels.shape, np.float64)
    size, first, ratio = _extent(count, np.asarray(grid.spacing) / own, grid.fit)
    before = np.array([_before(int(a), int(b), grid.odd_first) for a, b in zip(grid.shape, size, strict=True)])
    start = first - before * ratio  # in own voxels, of the grid's first
    low = np.maximum(0, before)
    high = np.minimum(np.array(grid.shape), before + size)
    if grid.outside is None:  # the least value of all that is resampled, cropped or not
        whole = _linear(voxels, ratio, first, size)
        outside, kept = whole.min(), whole[tuple(map(slice, low - before, high - before))]
    else:
        outside, kept = np.float32(grid.outside), _linear(voxels, ratio, start + low * ratio, high - low)
    values = np.full(grid.shape, outside, np.float32)
    values[tuple(map(slice, low, high))] = kept
    for axis in range(3) if grid.fit == "edge" else ():  # the last voxel may lie beyond the Volume's end
        beyond = start[axis] + np.arange(grid.shape[axis]) * ratio[axis] > count[axis] - 0.5 + 1e-6
        values[(slice(None),) * axis + (beyond,)] = outside
    placed = affine.copy()
    placed[:3, :3] = affine[:3, :3] * ratio[::-1]
    placed[:3, 3] = affine[:3, 3] + affine[:3, :3] @ start[::-1]
    return values, placed


def _extent(
    count: NDArray[np.float64], ratio: NDArray[np.float64], fit: str
) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    """Return how many voxels of the grid a Volume fills, and in the Volume's own voxels the first's place and the step.

    `ratio`: the grid's spacing in the Volume's own voxels.
    """
    if fit == "inside":
        size = np.where(count == 1, 1, np.maximum(1, np.floor(count / ratio + 1e-6)))
        return size.astype(int), (count - 1) / 2 - (size - 1) / 2 * ratio, ratio
    if fit == "centres":
        return np.around((count - 1) / ratio + 1).astype(int), np.zeros(3), ratio
    if fit == "whole":
        size = np.maximum(1, np.floor(count / ratio + 1e-6))
        return size.astype(int), 0.5 * (count / size - 1), count / size
    return np.where(count == 1, 1, np.ceil(count / ratio - 1e-6)).astype(int), 0.5 * (ratio - 1), ratio


def _linear(
    voxels: NDArray[Any], ratio: NDArray[np.float64], start: NDArray[np.float64], size: NDArray[np.int_]
) -> NDArray[np.float32]:
    """Return `size` values from `start` on, in steps of `ratio`, all in the Volume's own voxels."""
    shape = tuple(int(one) for one in size)
    values: NDArray[np.float32] = affine_transform(
        voxels, ratio, start, output_shape=shape, output=np.float32, order=1, mode="nearest"
    )
    return values


def _before(wanted: int, there: int, odd_first: bool) -> int:
    """Return how many voxels of padding come first; negative: how many are cut. See the grid's `odd_first`."""
    over = abs(wanted - there)
    first = (over + odd_first) // 2
    return first if wanted >= there else -first


def _moved(affine: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3], np.float64)
