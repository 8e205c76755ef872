"""Stored values to real ones, once: the modality LUT or the rescale of the file, or of each frame.

Formula: output = stored x RescaleSlope + RescaleIntercept (PS3.3 C.11.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from retrieval.imaging.dicom_frames import Frame, in_groups

__all__ = ["common_type", "rescale_frames", "rescale_pair", "rescale_type"]

_INT16: Final = np.iinfo(np.int16)
_INT32: Final = np.iinfo(np.int32)
_INTEGRAL: Final = 1e-9


def rescale_pair(frame: Frame) -> tuple[float, float] | None:
    """Return `(slope, intercept)` of a frame: its functional group's, else the file's, else None."""
    slope = in_groups(frame.groups, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = in_groups(frame.groups, "PixelValueTransformationSequence", "RescaleIntercept")
    if slope is None:
        slope, intercept = frame.header.get("RescaleSlope"), frame.header.get("RescaleIntercept")
    if slope is None:
        return None
    pair = float(slope), float(intercept or 0.0)
    return pair if np.isfinite(pair).all() and pair[0] != 0 else None


def rescale_type(frame: Frame) -> str:
    """Return RescaleType, upper case, "" where nobody said."""
    said = in_groups(frame.groups, "PixelValueTransformationSequence", "RescaleType")
    return str(said or frame.header.get("RescaleType") or "").strip().upper()


def rescale_frames(stored: NDArray[Any], frames: Sequence[Frame]) -> tuple[NDArray[Any], str]:
    """Return real values of `stored (N, Y, X)`, one Frame each from one file, and where they came from.

    int16 or int32 where slope and intercept are whole numbers and the result fits, else float32. The second
    value is "none", "modality_lut", "rescale" or "per_frame". RGB comes back untouched.
    """
    if stored.ndim == 4:
        return stored, "none"
    header: Dataset = frames[0].header
    if header.get("ModalityLUTSequence"):
        return _smallest(apply_modality_lut(stored, header)), "modality_lut"
    pairs = [rescale_pair(frame) for frame in frames]
    if all(pair is None for pair in pairs):
        return _smallest(stored), "none"
    how = "per_frame" if len(set(pairs)) > 1 else "rescale"
    parts = [_linear(one, *(pair or (1.0, 0.0))) for one, pair in zip(stored, pairs, strict=True)]
    return np.stack(parts).astype(common_type([part.dtype for part in parts]), copy=False), how


def common_type(types: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the type that several frames share: never float64, which would double a volume for nothing."""
    joined = np.result_type(*types)
    return np.dtype(np.float32) if joined.kind == "f" else joined


def _linear(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    whole = abs(slope - round(slope)) < _INTEGRAL and abs(intercept - round(intercept)) < _INTEGRAL
    if stored.dtype.kind in "iub" and whole:
        low, high = int(stored.min()), int(stored.max())
        ends = sorted((low * round(slope) + round(intercept), high * round(slope) + round(intercept)))
        if ends[0] >= _INT32.min and ends[1] <= _INT32.max:
            target = np.int16 if ends[0] >= _INT16.min and ends[1] <= _INT16.max else np.int32
            return (stored.astype(np.int64) * round(slope) + round(intercept)).astype(target)
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    """Values in int16, int32 or float32, whichever is the first to hold them exactly (float32: nearly)."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(np.float32, copy=False)
    return _linear(values, 1.0, 0.0) if values.dtype != np.int16 else values
