"""What the comparisons of volume encoders with their packages share: the grid's pixels, and whether all are alike."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.views.volume_input import volume_input
from radseek.retrieval.types import VolumeGrid
from tests.colipri_support import volumes
from tests.imaging_support import make_series

__all__ = ["grid_pixels", "spread"]


def grid_pixels(what: str, theirs: NDArray[np.float32], grid: VolumeGrid | None) -> NDArray[np.float32]:
    """Return the eight volumes as we make them, and print how far they are from the package's, (N, C, X, Y, Z)."""
    if grid is None:
        sys.exit("There is no grid of volumes.")
    series = [make_series(voxels, "CT", unit="HU", affine=affine) for voxels, affine in volumes()]
    ours = np.stack([volume_input(one, grid).values for one in series])
    far = [float(one) for one in np.abs(ours - theirs.transpose(0, 1, 4, 3, 2)).max(axis=(1, 2, 3, 4))]
    low, high = grid.scaled_to
    print(f"{what}: {len(ours)} volumes of {grid.shape} voxels, values of {low:g} to {high:g} within {max(far):.2e}")
    if max(far) > 1e-3:
        sys.exit(f"{what}: volumes are not the reference's: {far}.")
    return ours


def spread(rows: NDArray[np.float32]) -> float:
    """Return the median distance of two rows' cosine from 1: that vectors agree says little where all are alike."""
    cosines = rows @ rows.T
    return float(1 - np.median(cosines[~np.eye(len(rows), dtype=bool)]))
