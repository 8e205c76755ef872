"""An earlier encoder that keeps the image tower from learning its few real images by heart.

Real films and slices are some hundreds, phantoms are many: what long training gains on phantoms it loses on unseen
patients. In a second pass the tower's vectors of real images stay near those of a tower that was stopped early
(learning without forgetting, Li and Hoiem 2016).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from radseek.retrieval.encoders.load_encoder import load_encoder
from training.halves import as_input, quick

__all__ = ["Teacher"]


class Teacher:
    """Unit vectors of an encoder folder's own image tower for the pixels that the student sees."""

    def __init__(self, folder: Path) -> None:
        encoder = load_encoder(str(folder))
        self.size = encoder.spec.preprocess.size
        self.visual = encoder.visual.eval()  # type: ignore[attr-defined]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Return `(N, D)` of `(N, 1, S, S)` in 0 to 1."""
        small = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True, align_corners=False)
        with quick():
            return F.normalize(self.visual(as_input(small)).float(), dim=1)
