"""The image tower cut in two: a frozen start whose output is computed once, and the end that is trained.

On two busy cores a full fine-tune gives a dozen images a second; training the last stages from stored activations
gives ten times that. `frozen` counts EfficientNet stages (7 in all); 0 would be a full fine-tune.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.augment import augment

__all__ = ["End", "as_input", "put_back", "start_of", "stored"]

Start = Callable[[Tensor], Tensor]


def as_input(x: Tensor) -> Tensor:
    """Return `(N, 3, S, S)` normalised as the start's own training did (mean and std 0.5), channels last."""
    return ((x - 0.5) / 0.5).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def start_of(visual: nn.Module, frozen: int) -> nn.Module:
    """Return stem and the first `frozen` stages, frozen, batch norm at its published statistics."""
    trunk = visual.trunk
    start = nn.Sequential(trunk.conv_stem, trunk.bn1, *trunk.blocks[:frozen]).eval()
    for parameter in start.parameters():
        parameter.requires_grad = False
    return start


class End(nn.Module):
    """The rest of the tower: stages from `frozen` on, head convolution, pooling, projection."""

    def __init__(self, visual: nn.Module, frozen: int) -> None:
        super().__init__()
        trunk = visual.trunk
        self.blocks = nn.Sequential(*trunk.blocks[frozen:])
        self.conv_head, self.bn2, self.pool, self.head = trunk.conv_head, trunk.bn2, trunk.global_pool, visual.head

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` activations to `(N, D)`."""
        return self.head(self.pool(self.bn2(self.conv_head(self.blocks(x)))))


def put_back(visual: nn.Module, end: End, frozen: int) -> None:
    """Copy a trained end's weights into the whole tower."""
    End(visual, frozen).load_state_dict(end.state_dict())


@torch.no_grad()
def stored(start: nn.Module, pixels: NDArray[np.uint8], generator: torch.Generator | None, batch: int = 64) -> Tensor:
    """Return float16 activations of `(N, S, S)` uint8; augmented where there is a generator."""
    out = []
    for first in range(0, len(pixels), batch):
        raw = torch.from_numpy(pixels[first : first + batch])
        x = raw[:, None].float() / 255 if generator is None else augment(raw, generator)
        with torch.autocast("cpu", torch.bfloat16):
            out.append(start(as_input(x)).half())
    return torch.cat(out)
