"""Merlin's towers: a volume or token ids in, features of one space out.

Source of the shapes: Blankemeier et al. 2024 (arXiv 2406.06512), as merlin-vlm 0.0.7 builds them: a ResNet whose
kernels have a third axis (Carreira and Zisserman 2017, I3D) and Longformer (Beltagy et al. 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

__all__ = ["MerlinImages", "MerlinTexts"]

_STEPS: Final = (1, 2, 2, 2)  # of the four stages, along every axis


class MerlinImages(nn.Module):
    """The image tower: `(N, 1, Z, Y, X)` values of 0 to 1 to features of the volume and of its places.

    Made from a state with the file's names. The file's first layer takes three equal channels, and ours their sum.
    The pooling is a mean and what follows it is linear, so a volume's features are the mean of its places'.
    """

    stride: Final = (16, 32, 32)  # voxels of (Z, Y, X) from one place's middle to the next, the first's at voxel 0

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        stem = state["conv1.weight"]
        self.conv1 = nn.Conv3d(1, len(stem), (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(len(stem))
        for number, step in enumerate(_STEPS, start=1):
            name = f"layer{number}"
            count = len({key.split(".")[1] for key in state if key.startswith(f"{name}.")})
            blocks = [_Bottleneck(state, f"{name}.{one}.", step if one == 0 else 1) for one in range(count)]
            setattr(self, name, nn.Sequential(*blocks))
        width, channels = state["contrastive_head.weight"].shape[:2]
        self.contrastive_head = nn.Conv3d(channels, width, 1)

    def forward(self, volumes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `(N, D)` and `(N, P, D)`; places are in the order of z, then y, then x."""
        rows = self.conv1(volumes.transpose(-1, -2))  # the tower reads (Z, X, Y)
        rows = nn.functional.relu(self.bn1(rows), inplace=True)
        rows = nn.functional.max_pool3d(rows, 3, 2, 1)
        for number in range(1, len(_STEPS) + 1):
            rows = getattr(self, f"layer{number}")(rows)
        places = self.contrastive_head(rows).transpose(-1, -2).flatten(2).transpose(1, 2).float()
        return places.mean(dim=1), places


class _Bottleneck(nn.Module):
    """One block: narrow, look around, widen; beside it the input, made to fit where its size changes."""

    def __init__(self, state: Mapping[str, torch.Tensor], name: str, step: int) -> None:
        super().__init__()
        narrow, channels = state[f"{name}conv1.weight"].shape[:2]
        wide = len(state[f"{name}conv3.weight"])
        self.conv1, self.bn1 = nn.Conv3d(channels, narrow, 1, bias=False), nn.BatchNorm3d(narrow)
        self.conv2, self.bn2 = nn.Conv3d(narrow, narrow, 3, step, 1, bias=False), nn.BatchNorm3d(narrow)
        self.conv3, self.bn3 = nn.Conv3d(narrow, wide, 1, bias=False), nn.BatchNorm3d(wide)
        self.downsample: nn.Module | None = None
        if f"{name}downsample.0.weight" in state:
            self.downsample = nn.Sequential(nn.Conv3d(channels, wide, 1, step, bias=False), nn.BatchNorm3d(wide))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        beside = rows if self.downsample is None else self.downsample(rows)
        rows = nn.functional.relu(self.bn1(self.conv1(rows)), inplace=True)
        rows = nn.functional.relu(self.bn2(self.conv2(rows)), inplace=True)
        return nn.functional.relu(self.bn3(self.conv3(rows)).add_(beside), inplace=True)


class MerlinTexts(nn.Module):
    """The text tower: token ids `(N, L)` and their mask to `(N, D)`.

    Longformer without global attention is RoBERTa whose tokens look at most `reach` tokens to a side.
    """

    def __init__(self, roberta: Any, reach: int, dim: int) -> None:
        super().__init__()
        self.text_encoder, self.reach = roberta, reach
        self.linear_layer = nn.Linear(roberta.config.hidden_size, dim)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features of token ids, of which `mask` tells the padding, from each text's first token."""
        at = torch.arange(ids.shape[1], device=ids.device)
        near = (at[:, None] - at).abs() <= self.reach
        seen = near & (mask[:, None, None, :] != 0)  # (N, 1, L, L): of each token, those that it looks at
        hidden = torch.zeros(seen.shape, device=ids.device).masked_fill(~seen, torch.finfo(torch.float32).min)
        rows = self.text_encoder(input_ids=ids, attention_mask=hidden).last_hidden_state
        found: torch.Tensor = self.linear_layer(rows[:, 0])
        return found
