"""The values with which an image is filled up to a rectangle, which are no measurement (PS3.3 C.7.5.1.1.2).

PixelPaddingValue alone, or with PixelPaddingRangeLimit every value between the two, whichever is the lower; both are
stored values, so they are rescaled as the image is. The standard puts padding outside the range of the image's own
values; a padding that lies amid them is an error of the header and is not followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.header_numbers import first_number, whole_number
from radseek.retrieval.imaging.dicom.rescale import real_value

__all__ = ["Padding", "padding_of"]

Padding = tuple[float, float]  # value and range limit in the voxels' own unit; equal where there is no limit

_AMID: Final = 0.001  # share of the voxels on each side of a padding that lies amid the image's own
_NEAR_AN_END: Final = 0.05  # of the range from percentile 1 to 99: lossy compression spreads padding
_LEAST_LEFT: Final = 0.001  # share of the voxels that must not be padding
_SAMPLES: Final = 256  # along each axis


def padding_of(frames: Sequence[Frame], voxels: NDArray[Any]) -> tuple[Padding | None, tuple[str, ...]]:
    """Return the padding of a stack in the unit of its rescaled `voxels (Z, Y, X)`, and a warning where it is none."""
    found = {said for frame in frames if (said := _mapped(frame)) is not None}
    if not found or voxels.ndim != 3:
        return None, ()
    if len(found) > 1:
        return None, ("padding_ignored: its value differs from slice to slice",)
    said = found.pop()
    low, high = min(said), max(said)
    step = [max(1, length // _SAMPLES) for length in voxels.shape]
    sample = voxels[:: step[0], :: step[1], :: step[2]]
    below, above = float(np.mean(sample < low)), float(np.mean(sample > high))
    text = f"{said[0]:g}" if said[0] == said[1] else f"{said[0]:g} to {said[1]:g}"
    if below + above < _LEAST_LEFT:
        return None, (f"padding_ignored: {text} would leave nothing of the image",)
    if below + above < 1 and _amid(sample, low, high):
        return None, (f"padding_ignored: {text} lies amid the image's own values (PS3.3 C.7.5.1.1.2)",)
    return said, ()


def _amid(sample: NDArray[Any], low: float, high: float) -> bool:
    """Whether an image has values of its own both below and above its padding, and not just beside it."""
    lowest, highest = (float(edge) for edge in np.percentile(sample, (1, 99)))
    if min(low - lowest, highest - high) <= _NEAR_AN_END * (highest - lowest):
        return False
    return min(float(np.mean(sample < low)), float(np.mean(sample > high))) > _AMID


def _mapped(frame: Frame) -> Padding | None:
    """Both ends of a frame's padding in its voxels' unit, None where the file names none."""
    value = _stored(frame, "PixelPaddingValue")
    if value is None:
        for keyword in ("FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue"):
            number = first_number(frame.header, keyword)
            if number is not None:
                limit = first_number(frame.header, keyword.replace("Value", "RangeLimit"))
                return number, number if limit is None else limit
        return None
    limit = _stored(frame, "PixelPaddingRangeLimit")
    return real_value(frame, value), real_value(frame, value if limit is None else limit)


def _stored(frame: Frame, keyword: str) -> int | None:
    """A stored value: signed where the pixels are, whatever its VR made of it."""
    number = first_number(frame.header, keyword)
    if number is None:
        return None
    bits = min(max(whole_number(frame.header, "BitsAllocated", 16), 1), 32)
    value = int(number) % (1 << bits)
    signed = whole_number(frame.header, "PixelRepresentation", 0) == 1
    return value - (1 << bits) if signed and value >= 1 << (bits - 1) else value
