"""What the comparisons of volume encoders with their packages share: the grid's pixels, and the vectors."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.vector_agreement import least_cosine, spread
from radseek.retrieval.encoders.encoder import VolumeEncoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.imaging.views.volume_input import volume_input
from radseek.retrieval.types import VolumeGrid
from tests.biovil_support import TEXTS
from tests.colipri_support import volumes as drawn_volumes
from tests.imaging_support import make_series

__all__ = ["compare_volumes", "grid_pixels"]


def grid_pixels(what: str, theirs: NDArray[np.float32], grid: VolumeGrid | None) -> NDArray[np.float32]:
    """Return the eight volumes as we make them, and print how far they are from the package's, (N, C, X, Y, Z)."""
    if grid is None:
        sys.exit("There is no grid of volumes.")
    series = [make_series(voxels, "CT", unit="HU", affine=affine) for voxels, affine in drawn_volumes()]
    ours = np.stack([volume_input(one, grid).values for one in series])
    far = [float(one) for one in np.abs(ours - theirs.transpose(0, 1, 4, 3, 2)).max(axis=(1, 2, 3, 4))]
    low, high = grid.scaled_to
    print(f"{what}: {len(ours)} volumes of {grid.shape} voxels, values of {low:g} to {high:g} within {max(far):.2e}")
    if max(far) > 1e-3:
        sys.exit(f"{what}: volumes are not the reference's: {far}.")
    return ours


def compare_volumes(what: str, folder: Path, pixels: NDArray[np.float32], theirs: Mapping[str, Any]) -> None:
    """Print the least cosines of a folder's volumes and texts with the package's; end where they are others.

    `pixels (N, C, X, Y, Z)`: the package's; `theirs`: its `images` and `texts`, unit rows.
    """
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    if not isinstance(encoder, VolumeEncoder):
        sys.exit("It is no encoder of volumes.")
    volumes = encoder.encode_volumes(grid_pixels(what, pixels, encoder.spec.recipe.volume)).pooled
    texts = encoder.encode_texts(TEXTS)
    least = [least_cosine(volumes, theirs["images"]), least_cosine(texts, theirs["texts"])]
    print(
        f"{what}: least cosine of volumes {least[0]:.8f}, of {len(TEXTS)} texts {least[1]:.8f}; "
        f"spread of volumes {spread(volumes):.3f}, of texts {spread(texts):.3f}",
        flush=True,
    )
    if min(least) < 0.99999:
        sys.exit(f"{what} is not the reference's.")
