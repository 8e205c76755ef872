"""What differs between hospitals, beyond `augment`: coding, resolution, borders, letters, contrast, style.

On eight-bit pictures, one at a time, before geometry and tone; and `mixed_style` on a batch's early features, where
channel means and spreads of two pictures of one kind are blended (MixStyle, Zhou et al. 2021).
"""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor

__all__ = ["another_scanner", "mixed_style"]

_LETTERS = ("L", "R", "AP", "PA", "SUPINE", "12:40", "ID 0042", "5 cm", "MI 1.1", "A", "P", "W 400", "ERECT")


def another_scanner(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `(S, S)` uint8 as another archive might have kept it; more than half come back as they are."""
    chance = rng.random(6)
    if chance[0] < 0.05:
        drawn = Image.fromarray(picture)
        picture = np.asarray(Image.blend(drawn, ImageOps.equalize(drawn), float(rng.uniform(0.2, 0.6))))
    if chance[1] < 0.12:
        picture = _coarser(picture, int(rng.integers(96, len(picture))))
    if chance[2] < 0.08:
        picture = _lettered(picture, rng)
    if chance[3] < 0.08:
        picture = _bordered(picture, rng)
    if chance[4] < 0.15:
        picture = _coded(picture, int(rng.integers(25, 80)))
    return 255 - picture if chance[5] < 0.03 else picture


def _coarser(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(picture.shape[::-1], Image.Resampling.BICUBIC))


def _lettered(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    drawn = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    for _ in range(int(rng.integers(1, 4))):
        at = tuple(float(x) for x in rng.integers(2, len(picture) - 24, 2))
        pen.text(at, str(rng.choice(_LETTERS)), fill=int(rng.integers(160, 256)))
    return np.asarray(drawn)


def _bordered(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shrink into a frame of one grey level, or cut to a window and enlarge."""
    side = len(picture)
    if rng.random() < 0.5:
        inner = int(side * rng.uniform(0.75, 0.95))
        framed = np.full_like(picture, int(rng.choice([0, 0, 255, 40])))
        y, x = rng.integers(0, side - inner + 1, 2)
        framed[y : y + inner, x : x + inner] = np.asarray(Image.fromarray(picture).resize((inner, inner)))
        return framed
    inner = int(side * rng.uniform(0.8, 0.95))
    y, x = rng.integers(0, side - inner + 1, 2)
    return np.asarray(Image.fromarray(picture[y : y + inner, x : x + inner]).resize((side, side)))


def _coded(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held).convert("L"))


def mixed_style(features: Tensor, kinds: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return `(B, C, h, w)` features of which a `share` has another row's style, in part: of the same kind `(B,)`.

    Rows of a negative kind stay as they are.
    """
    partner = torch.arange(len(kinds))
    for kind in kinds.unique().tolist():
        rows = torch.nonzero(kinds == kind).flatten()
        if kind >= 0:
            partner[rows] = rows[torch.randperm(len(rows), generator=generator)]
    x = features.float()
    mean, spread = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True) + 1e-4
    keep = torch.rand(len(x), 1, 1, 1, generator=generator)
    keep = torch.where(torch.rand(len(x), 1, 1, 1, generator=generator) < share, keep, torch.ones(()))
    new_mean, new_spread = (keep * one + (1 - keep) * one[partner] for one in (mean, spread))
    mixed = (x - mean) / spread * new_spread + new_mean
    return mixed.to(features.dtype).contiguous(memory_format=torch.channels_last)
