"""Maps of a volume encoder: the margins of its places laid on the Volume.

Such an encoder has a vector a place, and a study's score is the mean of its places' highest margins, so these maps are
parts of the score itself and no attribution that could be unfaithful; no gradient is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from radseek.retrieval.types import View

__all__ = ["PlaceMaps", "place_maps"]

_NEAREST = 8  # places that a pixel takes its margin from: the corners of the cell it lies in


@dataclass(frozen=True, slots=True, eq=False)
class PlaceMaps:
    """Margins `(P,)` of places at `points (P, 3)` in patient LPS mm, drawn on slices `z` of the Volume of `view`.

    `view`: what people are shown of the series.
    """

    view: View
    z: NDArray[np.int32]
    points: NDArray[np.float64]
    margins: NDArray[np.float64]

    def at(self, z: int) -> NDArray[np.float32]:
        """Return the map `(H, W)` of the slice at `z`: a pixel's is the mean of its nearest places', by 1/distance."""
        volume = self.view.series.volume
        affine = np.asarray(volume.affine, np.float64)
        rows, columns = volume.voxels.shape[1:3]
        y, x = np.mgrid[:rows, :columns]
        pixels = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], axis=1) @ affine[:3, :3].T + affine[:3, 3]
        count = min(_NEAREST, len(self.points))
        away, which = cKDTree(self.points).query(pixels, k=count)
        away, which = away.reshape(len(pixels), count), which.reshape(len(pixels), count)
        weight = 1.0 / np.maximum(away, 1e-3)
        mean = (self.margins[which] * weight).sum(axis=1) / weight.sum(axis=1)
        return np.asarray(mean.reshape(rows, columns), np.float32)

    def stacked(self) -> NDArray[np.float32]:
        """Return `(Z, H, W)` float32 on the Volume's grid; NaN in slices that were not asked for."""
        whole = np.full(self.view.series.volume.voxels.shape[:3], np.nan, np.float32)
        for z in self.z:
            whole[z] = self.at(int(z))
        return whole


def place_maps(
    view: View, position: Sequence[tuple[float, float, float]], margins: NDArray[np.floating], z: Sequence[int] | None
) -> PlaceMaps:
    """Return the maps of slices `z` of a Volume, None for all, from the margins `(P,)` of places in LPS mm."""
    chosen = np.arange(view.series.volume.voxels.shape[0]) if z is None else np.unique(np.asarray(z))
    return PlaceMaps(view, chosen.astype(np.int32), np.asarray(position, np.float64), margins.astype(np.float64))
