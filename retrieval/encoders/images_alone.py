"""Image towers without a text tower, in the form that `TowerEncoder` takes: pixels in, features out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["ClassToken", "ImagesAlone", "PooledTrunk"]


class ImagesAlone(nn.Module):
    """An image tower `visual` by the names that open_clip's models have."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image features of normalised pixels."""
        features: torch.Tensor = self.visual(pixels)
        return features


class ClassToken(nn.Module):
    """A vision transformer of transformers: `(N, 3, S, S)` to its class token after the last norm, `(N, D)`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the features of pictures."""
        features: torch.Tensor = self.model(pixel_values=pixels).last_hidden_state[:, 0]
        return features


class PooledTrunk(nn.Module):
    """A model of timm without its classifier: `(N, 3, S, S)` to pooled features `(N, D)`, projected by `head` if any.

    `trunk` and `head` have the names of open_clip's timm towers, so that heat maps look into both alike.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Identity() if head is None else head

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the features of pictures."""
        features: torch.Tensor = self.head(self.trunk(pixels))
        return features
