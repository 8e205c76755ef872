"""COLIPRI's towers: a volume or token ids in, joint features out.

Source of the shapes: Wald et al. 2025 (arXiv 2510.15042), as colipri 0.1.3 builds them: Primus (a vision transformer of
cubes with rotary places) and CXR-BERT, each pooled by attention whose query is the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["ColipriImages", "ColipriTexts", "MeanQueryPooling"]


class MeanQueryPooling(nn.MultiheadAttention):
    """Attention to a sequence `(N, L, D)` whose one query is the sequence's mean, `(N, D)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, batch_first=True)

    def pooled(self, rows: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return `(N, D)`; `mask (N, L)` is not 0 at what is no padding."""
        if mask is None:
            query, padding = rows.mean(dim=1, keepdim=True), None
        else:
            weight = mask.unsqueeze(-1).to(rows.dtype)
            query, padding = (rows * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True), mask == 0
        answer, _ = self(query, rows, rows, key_padding_mask=padding, need_weights=False)
        pooled: torch.Tensor = answer[:, 0]
        return pooled

    def each(self, rows: torch.Tensor) -> torch.Tensor:
        """Return `(N, L, D)`: each row as if the attention looked at it alone, which is comparable with a text."""
        width = rows.shape[-1]
        bias = None if self.in_proj_bias is None else self.in_proj_bias[2 * width :]
        values = nn.functional.linear(rows, self.in_proj_weight[2 * width :], bias)
        found: torch.Tensor = self.out_proj(values)
        return found


class ColipriImages(nn.Module):
    """The image tower: `(N, 1, Z, Y, X)` values of -1 to 1 to features of the volume and of its places.

    Made from a state with the names that `colipri_loading` gives it. `pool`: cubes a side whose mean is one place.
    """

    def __init__(self, state: Mapping[str, torch.Tensor], heads: int, pool_heads: int, pool: int) -> None:
        super().__init__()
        from timm.models.eva import EvaBlock  # late, as everything of timm: it takes seconds

        width, channels, side = state["cubes.weight"].shape[:3]
        self.side, self.pool, self.heads = side, pool, heads
        self.cubes = nn.Conv3d(channels, width, side, side)
        hidden = len(state["blocks.0.mlp.fc1_g.bias"])
        self.blocks = nn.ModuleList(
            EvaBlock(
                width,
                heads,
                qkv_fused=False,
                mlp_ratio=(hidden + 0.5) / width,
                swiglu_mlp=True,
                scale_mlp=True,
                scale_attn_inner=True,
                num_prefix_tokens=0,
                init_values=0.1,
            )
            for _ in range(1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks.")))
        )
        self.norm = nn.LayerNorm(width)
        self.projector = nn.Linear(width, len(state["projector.bias"]))
        self.pooler = MeanQueryPooling(len(state["projector.bias"]), pool_heads)

    def forward(self, volumes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `(N, D)` and `(N, P, D)`; places are in the order of x, then y, then z, as the tower reads them."""
        cubes = self.cubes(volumes.permute(0, 1, 4, 3, 2))
        counts, rows = cubes.shape[2:], cubes.flatten(2).transpose(1, 2)
        places = rotary_places(counts, rows.shape[-1] // self.heads).to(rows.device)
        for block in self.blocks:
            rows = block(rows, rope=places)
        rows = self.projector(self.norm(rows))
        grid = self.pooler.each(rows).reshape(len(rows), *counts, -1)
        for axis, count in enumerate(counts, start=1):
            before, after = grid.shape[:axis], grid.shape[axis + 1 :]
            grid = grid.reshape(*before, count // self.pool, self.pool, *after).mean(dim=axis + 1)
        return self.pooler.pooled(rows), grid.flatten(1, 3)


class ColipriTexts(nn.Module):
    """The text tower: token ids `(N, L)` and their mask to `(N, D)`."""

    def __init__(self, bert: Any, heads: int) -> None:
        super().__init__()
        self.backbone = bert
        self.pooler = MeanQueryPooling(bert.config.hidden_size, heads)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features of token ids, of which `mask` tells the padding."""
        rows = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.pooler.pooled(rows, mask)


def rotary_places(counts: Any, width: int) -> torch.Tensor:
    """Return `(P, 2 * width)`: sines and cosines that turn a head's pairs by its cube's place, a third for each axis.

    Frequencies fall from 1 by powers of 10000 (Su et al. 2021, RoPE).
    """
    bands = 10000.0 ** -(torch.arange(width // 6) / (width // 6))
    grid = torch.stack(torch.meshgrid(*[torch.arange(int(n)) for n in counts], indexing="ij"), dim=-1)
    angles = (grid.reshape(-1, 3, 1) * bands).flatten(1).repeat_interleave(2, dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
