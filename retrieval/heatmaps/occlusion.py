"""The slow reference: hide one place after another and see how the margin falls. Works for every encoder.

Captum's Occlusion (Zeiler M. D., Fergus R., arXiv 1311.2901) over `encode_slices`. Importing takes torch's seconds.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import Occlusion
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.heatmaps.hidden_cells import hidden
from radseek.retrieval.scoring.text_vectors import TextPair

__all__ = ["occlusion_maps"]

_WINDOWS = 8  # a window's side is this part of the input's, and windows overlap by half


def occlusion_maps(
    encoder: Encoder, prepared: NDArray[np.uint8], pair: TextPair, points: int, windows: int = _WINDOWS
) -> NDArray[np.float32]:
    """Return maps `(N, points, points)`: by how much hiding each place of `(N, 3, S, S)` uint8 lowers the margin.

    A hidden place shows the blurred picture. About `4 * windows ** 2` inputs are encoded for each slice.
    """
    direction = pair.directions()[:, 0]

    def margins(pixels: torch.Tensor) -> torch.Tensor:
        seen = pixels.round().clamp(0, 255).to(torch.uint8).numpy()
        return torch.from_numpy(encoder.encode_slices(seen).astype(np.float64) @ direction)

    size = prepared.shape[-1]
    side = max(2, round(size / windows))
    found = np.empty((len(prepared), points, points), np.float32)
    for row, picture in enumerate(prepared):
        lowered = Occlusion(margins).attribute(
            torch.from_numpy(picture[None].astype(np.float32)),
            sliding_window_shapes=(3, side, side),
            strides=(3, side // 2, side // 2),
            baselines=torch.from_numpy(hidden(picture[None]).astype(np.float32)),
            perturbations_per_eval=encoder.batch_size,
        )
        found[row] = F.interpolate(lowered.float().mean(1, keepdim=True), (points, points), mode="area")[0, 0].numpy()
    return found
