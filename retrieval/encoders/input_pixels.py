"""Slices to an encoder's input pixels, exactly as open_clip's transform does before `ToTensor`, or transformers' does.

Pillow and numpy only: worker processes import this without torch. Grey slices are resized once as one channel and
repeated after, which gives the same bytes as resizing three equal channels, at about a third of the time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import UsageError

__all__ = ["prepare_slices"]

# Shortest-side resizing of a very long strip would make an enormous picture only to crop its centre: past this
# many times the output's area the crop's box is resampled alone (equal up to one grey level of rounding).
_LONGEST_ASPECT = 16


def prepare_slices(slices: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Resize `(N, H, W)` or `(N, H, W, 3)` uint8 slices to `(N, 3, S, T)` uint8, (S, T) = `preprocess.shape`.

    Raises `UsageError` for another dtype or shape, or for slices without pixels.
    """
    _check(slices)
    prepared = np.empty((len(slices), 3, *preprocess.shape), np.uint8)
    for number, pixels in enumerate(slices):
        image = Image.fromarray(np.ascontiguousarray(_full_range(pixels) if preprocess.full_range else pixels))
        grey = preprocess.full_range or preprocess.resize_mode == "pad"
        resized = np.asarray(_fit(image.convert("L") if grey else image, preprocess))
        prepared[number] = resized if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return prepared


def _check(slices: NDArray[np.uint8]) -> None:
    colour = slices.ndim == 4 and slices.shape[3] == 3
    if slices.dtype != np.uint8 or not (slices.ndim == 3 or colour):
        raise UsageError(
            f"Slices are {slices.dtype} {slices.shape}; prepare_slices takes uint8 (N, H, W) or (N, H, W, 3). "
            "Make views of the series first (radseek.retrieval.imaging.views.series_views.make_views)."
        )
    if len(slices) and 0 in slices.shape[1:3]:
        raise UsageError(f"Slices of {slices.shape[1]} x {slices.shape[2]} hold no pixels; leave them out.")


def _full_range(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a slice stretched to 0 to 255, fractions dropped as hi-ml's loader drops them; an even one is 0."""
    low, high = int(pixels.min()), int(pixels.max())
    if low == high:
        return np.zeros_like(pixels)
    levels = np.clip(np.arange(256.0) - low, 0, high - low) / (high - low) * 255
    stretched: NDArray[np.uint8] = levels.astype(np.uint8)[pixels]
    return stretched


def _fit(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    size, side = preprocess.size, preprocess.resize or preprocess.size
    bilinear = preprocess.interpolation == "bilinear"
    resample = Image.Resampling.BILINEAR if bilinear else Image.Resampling.BICUBIC
    if preprocess.width is not None:
        return _fit_oblong(image, preprocess, resample)
    floor = preprocess.resize_mode == "shortest_floor"
    if preprocess.resize_mode == "pad":
        whole = max(size, *image.size)
        return _resize(_pad(image, (whole, whole), preprocess.fill), (size, size), resample)
    if preprocess.resize_mode == "squash":
        return _crop(_resize(image, (side, side), resample), (size, size), floor=floor)
    if preprocess.resize_mode == "longest":
        return _pad(_shrink_longest(image, (size, size), resample), (size, size), preprocess.fill)
    return _crop(_cover(image, side, resample), (size, size), floor=floor)


def _fit_oblong(image: Image.Image, preprocess: Preprocess, resample: Image.Resampling) -> Image.Image:
    """Fit a picture into an input that is no square, as open_clip does, whose `shortest` is always bicubic then."""
    height, width = preprocess.shape
    if preprocess.resize_mode == "squash":
        return _resize(image, (width, height), resample)
    if preprocess.resize_mode == "longest":
        return _pad(_shrink_longest(image, (width, height), resample), (width, height), preprocess.fill)
    ratios = image.width / width, image.height / height
    ratio = min(ratios)
    if max(ratios) > _LONGEST_ASPECT * ratio:
        left, top = (image.width - width * ratio) / 2, (image.height - height * ratio) / 2
        box = (left, top, left + width * ratio, top + height * ratio)
        return image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    covering = (round(image.width / ratio), round(image.height / ratio))
    return _crop(_resize(image, covering, Image.Resampling.BICUBIC), (width, height), floor=False)


def _resize(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    return image if image.size == size else image.resize(size, resample)


def _shrink_longest(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    ratio = max(image.width / size[0], image.height / size[1])
    # open_clip rounds the short side to zero on strips longer than twice the size, and then fails; one pixel stays.
    width, height = (max(1, round(side / ratio)) for side in image.size)
    return _resize(image, (width, height), resample)


def _pad(image: Image.Image, size: tuple[int, int], fill: int) -> Image.Image:
    if image.size == size:
        return image
    colour = fill if image.mode == "L" else (fill,) * 3
    canvas = Image.new(image.mode, size, colour)
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas


def _cover(image: Image.Image, side: int, resample: Image.Resampling) -> Image.Image:
    """Resize the shorter side to `side`; of a very long strip the centre square alone."""
    width, height = image.size
    short = min(width, height)
    if max(width, height) > _LONGEST_ASPECT * short:
        left, top = (width - short) / 2, (height - short) / 2
        return image.resize((side, side), resample, box=(left, top, left + short, top + short))
    # torchvision truncates the longer side, and rounds the crop's corner half to even; transformers truncates both
    return _resize(image, (side * width // short, side * height // short), resample)


def _crop(image: Image.Image, size: tuple[int, int], *, floor: bool) -> Image.Image:
    """Return the centre of a picture, `size` pixels wide and high."""
    if image.size == size:
        return image
    left, top = (
        (side - kept) // 2 if floor else round((side - kept) / 2.0) for side, kept in zip(image.size, size, strict=True)
    )
    return image.crop((left, top, left + size[0], top + size[1]))
