"""CheXficient's towers in the form that `TowerEncoder` takes: pixels or token ids in, joint features out.

The image tower is timm's, with a projection. Source of the shapes: Wang et al. 2026 (arXiv 2602.22843), as
`models_clip.py` of cwangrun/CheXficient builds them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from radseek.retrieval.encoders.images_alone import PooledTrunk

__all__ = ["ChexficientTexts", "ChexficientTowers"]


class ChexficientTexts(nn.Module):
    """The text tower: the last token of a text that is no padding, BERT's `[SEP]`, projected."""

    def __init__(self, bert: Any, head: nn.Linear) -> None:
        super().__init__()
        self.bert = bert
        self.head = head

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return `(N, D)` features of token ids `(N, L)`, of which `mask` tells the padding, all of it at the end."""
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        rows = torch.arange(len(ids), device=ids.device)
        features: torch.Tensor = self.head(states[rows, mask.sum(dim=1) - 1])
        return features


class ChexficientTowers(nn.Module):
    """Both towers by the names that open_clip's models have."""

    def __init__(self, images: PooledTrunk, texts: ChexficientTexts) -> None:
        super().__init__()
        self.visual = images
        self.text = texts
        self.logit_scale = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.logit_bias = None

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image features of normalised pixels."""
        features: torch.Tensor = self.visual(pixels)
        return features

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the text features of token ids."""
        features: torch.Tensor = self.text(ids, mask)
        return features
