"""A heat map as a clear layer of its own, in the colours of `heat_overlay`, so that a page can set its opacity."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radseek.pictures.heat_overlay import COLOURS, shares
from radseek.pictures.slice_pictures import png_uri

__all__ = ["css_gradient", "overlay_uri"]

_HATCH: Final = 9  # pixels from one line to the next, where the encoder saw nothing
_GREY: Final = (150, 160, 170, 190)


def overlay_uri(heat: NDArray[np.floating], size: tuple[int, int]) -> str:
    """Return a map `(H, W)` as an RGBA PNG of `size` (width, height) in a data: URI; "" for a map that is flat.

    See `radseek.pictures.heat_overlay.shares` for what is drawn; what is NaN is hatched.
    """
    share = shares(heat)
    if not share.any():
        return ""
    wide = np.clip(np.asarray(Image.fromarray(share).resize(size, Image.Resampling.BILINEAR)), 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(COLOURS))
    pixels = np.empty((*wide.shape, 4), np.uint8)
    for channel in range(3):
        pixels[..., channel] = np.interp(wide, stops, COLOURS[:, channel]).round()
    pixels[..., 3] = (np.sqrt(wide) * 255).round()
    unseen = Image.fromarray(np.isnan(heat).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    hidden = np.asarray(unseen) > 0
    rows, columns = np.indices(hidden.shape)
    pixels[hidden] = 0
    pixels[hidden & ((rows + columns) % _HATCH == 0)] = _GREY
    return png_uri(pixels)


def css_gradient() -> str:
    """Return the same colours as a CSS background, lowest at left."""
    stops = ", ".join(f"rgb({', '.join(f'{value:.0f}' for value in colour)})" for colour in COLOURS)
    return f"linear-gradient(to right, {stops})"
