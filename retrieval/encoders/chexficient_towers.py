"""CheXficient's text tower: token ids in, joint features out. Its image tower is timm's, with a projection.

Source of the shapes: Wang et al. 2026 (arXiv 2602.22843), as `models_clip.py` of cwangrun/CheXficient builds them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["ChexficientTexts"]


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
