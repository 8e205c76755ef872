"""The image tower cut in two: a frozen start, which costs no backward pass, and the end that is trained.

`frozen` counts EfficientNet stages (7 in all); 0 would be a full fine-tune. Stride 8 after stage 3, 16 after 4 and 5.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["End", "as_input", "put_back", "quick", "start_of", "stored", "with_exact_depthwise"]

_STRIDE_16 = 5  # stages up to the last of stride 16


def quick() -> torch.autocast:
    """Return autocast to bfloat16 where the processor multiplies in it; elsewhere it would be ten times slower."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())


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
        self.middle = nn.Sequential(*trunk.blocks[frozen:_STRIDE_16])
        self.late = nn.Sequential(*trunk.blocks[_STRIDE_16:])
        self.conv_head, self.bn2, self.pool, self.head = trunk.conv_head, trunk.bn2, trunk.global_pool, visual.head

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, C, h, w)` activations to `(N, D)`, and the features `(N, C', S/16, S/16)` on the way."""
        near = self.middle(x)
        return self.head(self.pool(self.bn2(self.conv_head(self.late(near))))), near

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` activations to `(N, D)`."""
        return self.both(x)[0]


def put_back(visual: nn.Module, end: End, frozen: int) -> None:
    """Copy a trained end's weights into the whole tower."""
    End(visual, frozen).load_state_dict(end.state_dict())


def with_exact_depthwise(end: nn.Module) -> nn.Module:
    """Let depthwise convolutions run in float32 always: in bfloat16 their backward is four times slower."""
    for module in end.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.__class__ = _float32(type(module))
    return end


def _float32(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    def forward(self: nn.Conv2d, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return kind.forward(self, x.float())

    return type(f"Float32{kind.__name__}", (kind,), {"forward": forward})


@torch.no_grad()
def stored(start: nn.Module, pixels: NDArray[np.uint8], batch: int = 64) -> Tensor:
    """Return float16 activations of `(N, S, S)` uint8."""
    out = []
    for first in range(0, len(pixels), batch):
        x = torch.from_numpy(pixels[first : first + batch])[:, None].float() / 255
        with quick():
            out.append(start(as_input(x)).half())
    return torch.cat(out)
