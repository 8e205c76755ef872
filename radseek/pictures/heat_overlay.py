"""A heat map laid over its grey slice, as a PNG: what was seen where, with its scale beside it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radseek.retrieval.errors import UsageError

__all__ = ["COLOURS", "blend", "overlay_png", "scale_png", "shares"]

# From nothing to most: dark violet, red, orange, light yellow. Brightness rises all the way, so it survives grey print
# and eyes that do not tell red from green.
COLOURS = np.array([(48, 18, 96), (156, 36, 96), (228, 88, 40), (252, 174, 48), (255, 246, 170)], np.float32)
_OPACITY = 0.6
_FROM = 0.5  # of the way from the map's median to its peak: what is below stays grey


def overlay_png(view_slice: NDArray[np.uint8], heat: NDArray[np.floating], *, side: int | None = None) -> bytes:
    """Return slice `(H, W)` or `(H, W, 3)` uint8 under its map `(H, W)` as PNG, the longer side `side` pixels if given.

    Raises `UsageError` where the shapes differ.
    """
    image = Image.fromarray(blend(view_slice, heat))
    if side is not None:
        factor = side / max(image.size)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return _png(image)


def blend(view_slice: NDArray[np.uint8], heat: NDArray[np.floating], *, opacity: float = _OPACITY) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` uint8: the slice, and over it the map's upper part in colour, opaquer where it is higher.

    Where the map is NaN the encoder saw nothing: there the slice is darkened and hatched. Raises `UsageError` where
    the shapes differ.
    """
    if view_slice.shape[:2] != heat.shape:
        raise UsageError(f"The slice is {view_slice.shape[:2]} and its map {heat.shape}; take both from one heat map.")
    grey = view_slice if view_slice.ndim == 3 else np.repeat(view_slice[..., None], 3, 2)
    share = shares(heat)
    cover = (opacity * np.sqrt(share))[..., None]
    mixed = (1 - cover) * grey + cover * _colour(share)
    unseen = np.isnan(heat)
    stripe = (np.add.outer(np.arange(heat.shape[0]), np.arange(heat.shape[1])) // 4) % 2 == 0
    mixed[unseen] *= 0.4
    mixed[unseen & stripe] += 40
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def shares(heat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the map `(H, W)` as 0 (nothing to draw) to 1 (its peak); 0 where it is NaN, and all over a flat map."""
    finite = heat[np.isfinite(heat)]
    if not finite.size or finite.max() <= finite.min():
        return np.zeros(heat.shape, np.float32)
    middle, peak = float(np.median(finite)), float(finite.max())
    start = middle + _FROM * (peak - middle)
    if peak <= start:
        return np.zeros(heat.shape, np.float32)
    return np.asarray(np.clip((np.nan_to_num(heat, nan=start) - start) / (peak - start), 0, 1), np.float32)


def scale_png(width: int = 160, height: int = 12, *, opacity: float = _OPACITY) -> bytes:
    """Return the scale as PNG: from nothing drawn, at the left, to the map's peak."""
    share = np.repeat(np.linspace(0, 1, width, dtype=np.float32)[None], height, 0)
    cover = (opacity * np.sqrt(share))[..., None]
    mixed = (1 - cover) * 96.0 + cover * _colour(share)
    return _png(Image.fromarray(np.asarray(np.rint(mixed), np.uint8)))


def _colour(share: NDArray[np.float32]) -> NDArray[np.float32]:
    stops = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(share, stops, COLOURS[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
