"""BioViL's and BioViL-T's towers in the form that `TowerEncoder` takes: pixels or token ids in, joint features out.

Source of the shapes: Boecking et al. 2022 and Bannur et al. 2023, as hi-ml-multimodal 0.2.2 builds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from radseek.retrieval.encoders.transformers_texts import TransformersTexts

__all__ = ["BioVilImages", "BioVilTexts", "BioVilTrunk", "CxrBert"]


class BioVilTrunk(nn.Module):
    """A ResNet whose cells are projected each by itself, and then averaged.

    `reduction` and `missing_prior` are BioViL-T's: cells are reduced, and beside each stands what says that there is
    no earlier image, for a slice is encoded by itself. `feature_info`, `forward_features` and `forward_head` have the
    names of timm's, so that heat maps look into the tower.
    """

    def __init__(self, resnet: Any, channels: int, width: int, *, reduced: int = 0) -> None:
        super().__init__()
        self.resnet = resnet
        self.reduction = nn.Conv2d(channels, reduced, 1, bias=False) if reduced else None
        self.missing_prior = nn.Parameter(torch.zeros(1, reduced, 1, 1)) if reduced else None
        self.projector = nn.Sequential(
            nn.Conv2d(2 * reduced or channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )
        self.feature_info = [{"module": f"resnet.layer{n}", "reduction": 2 ** (n + 1)} for n in range(1, 5)]

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return `(N, C, h, w)`: the cells of `(N, 3, S, S)` pixels of 0 to 1."""
        net = self.resnet
        cells: torch.Tensor = net.maxpool(net.relu(net.bn1(net.conv1(pixels))))
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            cells = layer(cells)
        if self.reduction is None or self.missing_prior is None:
            return cells
        cells = self.reduction(cells)
        return torch.cat([cells, self.missing_prior.expand(len(cells), -1, *cells.shape[2:])], dim=1)

    def forward_head(self, cells: torch.Tensor) -> torch.Tensor:
        """Return `(N, D)`: the mean of the projected cells."""
        projected: torch.Tensor = self.projector(cells)
        return projected.mean(dim=(2, 3))


class BioVilImages(nn.Module):
    """The image tower: `(N, 3, S, S)` pixels of 0 to 1 to `(N, D)`, the package's `projected_global_embedding`."""

    def __init__(self, trunk: BioVilTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Identity()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the features of pictures."""
        features: torch.Tensor = self.head(self.trunk.forward_head(self.trunk.forward_features(pixels)))
        return features


class CxrBert(nn.Module):
    """CXR-BERT's text tower: the class token of a BERT, projected. Its layers have the names of the file."""

    def __init__(self, bert: Any, width: int) -> None:
        super().__init__()
        self.bert = bert
        self.cls_projection_head = nn.ModuleDict(
            {
                "dense_to_hidden": nn.Linear(bert.config.hidden_size, width),
                "LayerNorm": nn.LayerNorm(width, eps=1e-12),
                "dense_to_output": nn.Linear(width, width),
            }
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return `(N, D)` features of token ids `(N, L)`, of which `mask` tells the padding."""
        token = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        head = self.cls_projection_head
        hidden = head["LayerNorm"](nn.functional.gelu(head["dense_to_hidden"](token)))
        features: torch.Tensor = head["dense_to_output"](hidden)
        return features


class BioVilTexts:
    """Texts as the package reads them: without the marks `!?.` at their end."""

    def __init__(self, tokenizer: Any, context: int, name: str) -> None:
        self.context = context
        self._texts = TransformersTexts(tokenizer, context, name, trim=True, lower=None)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], tuple[torch.Tensor, ...]]]:
        """Yield `(rows, (ids, mask))` as `TransformersTexts` does, and warn as it does of a text that is too long."""
        yield from self._texts.batches([text.rstrip("!?.") for text in texts])
