"""MedCLIP's towers in the form that `TowerEncoder` takes: pixels or token ids in, joint features out.

Source of the shapes: Wang et al. 2022, as the package MedCLIP 0.0.3 builds them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["MedClipImages", "MedClipTexts", "ResnetCells", "SwinCells"]

_LAYERS = (1, 2, -1)  # of BERT's hidden states, whose first is the words' own vectors


class ResnetCells(nn.Module):
    """A ResNet without its last layer. The names are timm's, so that heat maps look into the tower."""

    def __init__(self, resnet: Any) -> None:
        super().__init__()
        self.resnet = resnet
        self.feature_info = [{"module": f"resnet.layer{n}", "reduction": 2 ** (n + 1)} for n in range(1, 5)]

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return `(N, C, h, w)`: the cells of normalised pixels `(N, 3, S, S)`."""
        net = self.resnet
        cells: torch.Tensor = net.maxpool(net.relu(net.bn1(net.conv1(pixels))))
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            cells = layer(cells)
        return cells

    def forward_head(self, cells: torch.Tensor) -> torch.Tensor:
        """Return `(N, C)`: the mean of the cells."""
        return cells.mean(dim=(2, 3))


class _ChannelsFirst(nn.Module):
    """A stage of timm's Swin, whose cells are `(N, h, w, C)`, among what has `(N, C, h, w)`."""

    def __init__(self, stage: Any) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.stage(cells.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return found


class SwinCells(nn.Module):
    """timm's Swin without its last layer, cells channels first as a ResNet's are, so that heat maps look into it."""

    def __init__(self, swin: Any) -> None:
        super().__init__()
        self.patches = swin.patch_embed
        self.stages = nn.ModuleList(_ChannelsFirst(stage) for stage in swin.layers)
        self.norm = swin.norm
        patch = int(swin.patch_embed.patch_size[0])
        self.feature_info = [{"module": f"stages.{n}", "reduction": patch * 2**n} for n in range(len(self.stages))]

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return `(N, C, h, w)`: the cells of normalised pixels `(N, 3, S, S)`, each normalised by itself."""
        cells = self.patches(pixels).permute(0, 3, 1, 2)
        for stage in self.stages:
            cells = stage(cells)
        normalised: torch.Tensor = self.norm(cells.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return normalised

    def forward_head(self, cells: torch.Tensor) -> torch.Tensor:
        """Return `(N, C)`: the mean of the cells."""
        return cells.mean(dim=(2, 3))


class MedClipImages(nn.Module):
    """The image tower: normalised pixels `(N, 3, S, S)` to `(N, D)`."""

    def __init__(self, trunk: ResnetCells | SwinCells, head: nn.Linear) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the features of pictures."""
        features: torch.Tensor = self.head(self.trunk.forward_head(self.trunk.forward_features(pixels)))
        return features


class MedClipTexts(nn.Module):
    """The text tower: the mean of a text's tokens over three layers of a BERT, projected.

    The package counts the padding in: beside a longer text the same text gets another vector. Here each text is what
    it is by itself, without padding, so that a prompt's vector does not depend on its company.
    """

    def __init__(self, bert: Any, head: nn.Linear) -> None:
        super().__init__()
        self.bert = bert
        self.head = head

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return `(N, D)` features of token ids `(N, L)`, of which `mask` tells the padding."""
        states = self.bert(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        tokens = torch.stack([states[n] for n in _LAYERS]).mean(dim=0)
        kept = mask[:, :, None].to(tokens.dtype)
        features: torch.Tensor = self.head((tokens * kept).sum(dim=1) / kept.sum(dim=1))
        return features
