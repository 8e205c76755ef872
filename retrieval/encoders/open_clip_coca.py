"""The contrastive half of open_clip's CoCa (Yu et al. 2022): its two towers without what writes captions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["ContrastiveHalf"]


class ContrastiveHalf(nn.Module):
    """A CoCa's towers, scale and bias by the names that open_clip's models of two towers have."""

    def __init__(self, coca: Any) -> None:
        super().__init__()
        self.visual, self.text = coca.visual, coca.text
        for tower in (self.visual, self.text):
            if hasattr(tower, "output_tokens"):
                tower.output_tokens = False  # they were for the captions; a tower answers with its features alone
        self.logit_scale, self.logit_bias = coca.logit_scale, coca.logit_bias
        self.context_length = coca.context_length

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image features of normalised pixels."""
        features: torch.Tensor = self.visual(pixels)
        return features

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the text features of token ids."""
        features: torch.Tensor = self.text(ids)
        return features
