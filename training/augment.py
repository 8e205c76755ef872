"""What differs between scanners, as random changes to a batch: geometry, contrast, sharpness, noise.

Left-right flips are allowed because no caption names a side. Intensities are never inverted.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["augment", "draw_shift", "draw_warp", "warp"]


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return (low + (high - low) * torch.rand(count, generator=generator)).view(-1, 1, 1, 1)


def draw_warp(n: int, g: torch.Generator) -> Tensor:
    """Return `(n, 2, 3)` random affine maps, in the units of `torch.nn.functional.affine_grid`."""
    angle = _uniform(n, -math.pi / 15, math.pi / 15, g).flatten()
    zoom = _uniform(n, 0.82, 1.12, g).flatten()
    stretch = _uniform(n, 0.93, 1.07, g).flatten()
    flip = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shift = 0.14 * (torch.rand(n, 2, generator=g) - 0.5)
    row_x = torch.stack([flip * zoom * stretch * cos, -zoom * sin, shift[:, 0]], 1)
    row_y = torch.stack([flip * zoom * stretch * sin, zoom * cos, shift[:, 1]], 1)
    return torch.stack([row_x, row_y], 1)


def draw_shift(n: int, size: int, g: torch.Generator) -> Tensor:
    """Return `(n, 2, 3)` flips and moves by whole pixels of `size`: nothing small is blurred by it."""
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = 1.0
    reach = size // 16
    theta[:, :, 2] = torch.randint(-reach, reach + 1, (n, 2), generator=g) * (2.0 / size)
    return theta


def warp(x: Tensor, theta: Tensor) -> Tensor:
    """Return `(N, C, h, w)` moved by `(N, 2, 3)`: pictures and their lesion cells alike."""
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _tone(x: Tensor, g: torch.Generator) -> Tensor:
    n = len(x)
    x = x.clamp(min=0) ** torch.exp(_uniform(n, -0.35, 0.35, g))
    x = x * _uniform(n, 0.75, 1.25, g) + _uniform(n, -0.08, 0.08, g) * (x > 0.02)
    ramp = torch.linspace(-1, 1, x.shape[-1])
    field = _uniform(n, -0.15, 0.15, g) * ramp.view(1, 1, 1, -1) + _uniform(n, -0.15, 0.15, g) * ramp.view(1, 1, -1, 1)
    return x * (1 + field)


def _sharpness(x: Tensor, g: torch.Generator) -> Tensor:
    """Mix with a blurred copy: from soft (share 1) to sharpened (share below 0)."""
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = _uniform(len(x), -0.5, 1.0, g) * (torch.rand(len(x), 1, 1, 1, generator=g) < 0.6)
    return x + share * (blurred - x)


def _noise(x: Tensor, g: torch.Generator) -> Tensor:
    level = _uniform(len(x), 0.0, 0.05, g) * (torch.rand(len(x), 1, 1, 1, generator=g) < 0.5)
    return x + level * torch.randn(x.shape, generator=g)


def _erase(x: Tensor, g: torch.Generator) -> Tensor:
    """Black out a border strip or a small box now and then: markers, collimation, crops."""
    out = x.clone()
    size = x.shape[-1]
    for i in torch.nonzero(torch.rand(len(x), generator=g) < 0.2).flatten().tolist():
        h, w = (torch.randint(size // 16, size // 5, (2,), generator=g)).tolist()
        top, left = (torch.randint(0, size - max(h, w), (2,), generator=g)).tolist()
        out[i, :, top : top + h, left : left + w] = float(torch.rand(1, generator=g))
    return out


def augment(pixels: Tensor, theta: Tensor, generator: torch.Generator, gently: Tensor) -> Tensor:
    """Return `(N, 1, S, S)` float32 in 0 to 1 from `(N, S, S)` uint8, each row moved by its own map and changed.

    `gently (N,)` bool: rows whose sharpness and noise stay, and of which nothing is erased: a lesion of two pixels
    does not outlive what a scan does.
    """
    x = _tone(warp(pixels[:, None].float() / 255, theta), generator)
    rough = _erase(_noise(_sharpness(x, generator), generator).clamp(0, 1), generator)
    return torch.where(gently[:, None, None, None], x.clamp(0, 1), rough)
