"""HLIP's towers: a CT or token ids in, features of one space out.

Source of the shapes: Zhao et al. 2025 (arXiv 2505.21862): a vision transformer of cubes whose blocks look at a slice of
cubes alone, or, every third one, at the whole scan. A slice's class token is the scan's; the scan's is their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

__all__ = ["HlipImages", "HlipTexts"]


class HlipImages(nn.Module):
    """The image tower: `(N, 1, Z, Y, X)` normalised values to the scan's features `(N, D)`, and none of its places.

    Made from a state with the names that `hlip_loading` gives it; `of_slices`: which blocks look at slices.
    """

    def __init__(self, state: Mapping[str, torch.Tensor], heads: int, of_slices: tuple[int, ...]) -> None:
        super().__init__()
        from timm.models.vision_transformer import Block  # late, as everything of timm: it takes seconds

        cubes = state["patch_embed.proj.weight"]
        width, channels, depth, height, across = cubes.shape
        cube = (depth, height, across)
        places = state["spatial_posemb"].shape
        self.shape = (places[1] * depth, places[2] * height, places[3] * across)
        self.of_slices = of_slices
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(channels, width, cube, cube)})
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.spatial_posemb = nn.Parameter(torch.empty(*places))
        ratio = (len(state["blocks.0.mlp.fc1.bias"]) + 0.5) / width
        norm = partial(nn.LayerNorm, eps=1e-6)
        count = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
        self.blocks = nn.ModuleList(Block(width, heads, ratio, qkv_bias=True, norm_layer=norm) for _ in range(count))
        self.norm = norm(width)
        self.head = nn.ModuleDict({"proj": nn.Linear(width, len(state["head.proj.weight"]), bias=False)})

    def forward(self, volumes: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return `(N, D)`, and None for the places, of which the model gives no vectors in the space of texts."""
        cubes = self.patch_embed["proj"](volumes).permute(0, 2, 3, 4, 1)
        rows = (cubes + self.spatial_posemb.to(cubes.dtype)).flatten(2, 3)  # (N, slices, places, width)
        count = rows.shape[1]
        first = self.cls_token.expand(len(rows), 1, -1)  # the scan's class token
        for number, block in enumerate(self.blocks):
            if number in self.of_slices:
                if number - 1 not in self.of_slices:  # from here on each slice has one of its own
                    first = first[:, None].expand(-1, count, -1, -1)
                together = block(torch.cat([first, rows], dim=2).flatten(0, 1)).unflatten(0, (-1, count))
                first, rows = together[:, :, :1], together[:, :, 1:]
            else:
                if first.ndim == rows.ndim:
                    first = first.mean(dim=1)
                together = block(torch.cat([first, rows.flatten(1, 2)], dim=1))
                first, rows = together[:, :1], together[:, 1:].unflatten(1, (count, -1))
        whole = first.mean(dim=1) if first.ndim == rows.ndim else first
        return self.head["proj"](self.norm(whole)[:, 0]), None


class HlipTexts(nn.Module):
    """The text tower: token ids `(N, L)` and their mask to `(N, D)`, from each text's first token."""

    def __init__(self, bert: Any, dim: int) -> None:
        super().__init__()
        self.transformer = bert
        self.proj = nn.Linear(bert.config.hidden_size, dim, bias=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features of token ids, of which `mask` tells the padding."""
        found: torch.Tensor = self.proj(self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])
        return found
