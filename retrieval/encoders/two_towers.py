"""An image tower and a text tower of one space, by the names that open_clip's models have."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["TwoTowers"]


class TwoTowers(nn.Module):
    """Two towers as `TowerEncoder` takes them.

    `log_scale`: the logits' scale before it is exponentiated; without one the scale is 1, which compares by the cosine
    alone.
    """

    def __init__(self, visual: nn.Module, text: nn.Module, log_scale: torch.Tensor | None = None) -> None:
        super().__init__()
        self.visual: Any = visual
        self.text: Any = text
        scale = torch.zeros(()) if log_scale is None else log_scale.float()
        self.logit_scale = nn.Parameter(scale, requires_grad=False)
        self.logit_bias = None

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image features of pixels as the image tower takes them."""
        features: torch.Tensor = self.visual(pixels)
        return features

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the text features of token ids `(N, L)`, of which `mask` tells the padding."""
        features: torch.Tensor = self.text(ids, mask)
        return features
