"""What stands where a part of a picture is hidden, and pictures with more and more of their cells hidden or shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["block_means", "hidden", "partly_hidden"]

_BLUR = 1 / 12  # of the input's side: what is left tells where the body is, and no finding


def hidden(prepared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `(N, 3, S, S)` uint8 blurred beyond recognition: neither black, which is air, nor a sharp-edged grey."""
    wide = prepared.astype(np.float32)
    blurred = gaussian_filter(wide, (0, 0, _BLUR * prepared.shape[-2], _BLUR * prepared.shape[-1]), mode="nearest")
    return np.asarray(np.rint(blurred), np.uint8)


def partly_hidden(
    picture: NDArray[np.uint8], order: NDArray[np.intp], side: int, steps: int, *, show: bool = False
) -> NDArray[np.uint8]:
    """Return `(steps + 1, 3, S, S)`: the first k-th parts of `order` hidden, k = 0 to `steps`; or with `show`, shown.

    `order`: the `side ** 2` blocks of the picture `(3, S, S)`, row by row numbered, in the order they go.
    """
    blurred = hidden(picture[None])[0]
    start, end = (blurred, picture) if show else (picture, blurred)
    rank = np.empty(side * side, np.intp)
    rank[order] = np.arange(side * side)
    size = picture.shape[-1]
    block = np.arange(size) * side // size
    when = rank.reshape(side, side)[block[:, None], block[None, :]]
    turns = np.rint(np.linspace(0, side * side, steps + 1)).astype(np.intp)
    return np.where((when[None] < turns[:, None, None])[:, None], end[None], start[None])


def block_means(over_input: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """Return the mean of a map `(P, P)`, P a multiple of `side`, in each of `side ** 2` blocks, `(side, side)`."""
    step = len(over_input) // side
    means = over_input.reshape(side, step, side, step).mean(axis=(1, 3), dtype=np.float64)
    return np.asarray(means, np.float32)
