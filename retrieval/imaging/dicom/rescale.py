"""Stored values to real ones, once: the modality LUT or the rescale of the file, or of each frame.

Formula: output = stored x RescaleSlope + RescaleIntercept (PS3.3 C.11.1). A table goes before the rescale, which must
not stand beside it; each is tried on its own, and what is empty counts as absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.frames import Frame, in_groups
from radseek.retrieval.imaging.dicom.header_numbers import numbers, whole_number
from radseek.retrieval.imaging.dicom.lookup_table import Table, read_grey_table

__all__ = ["Rescaled", "common_type", "real_value", "rescale_frames", "rescale_pair", "rescale_type"]

_INT16: Final = np.iinfo(np.int16)
_INT32: Final = np.iinfo(np.int32)
_INTEGRAL: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Rescaled:
    """Real values `(N, Y, X)`, where they came from ("none", "modality_lut", "rescale", "per_frame"), and doubts."""

    values: NDArray[Any]
    how: str
    warnings: tuple[str, ...] = ()


def rescale_pair(frame: Frame) -> tuple[float, float] | None:
    """Return `(slope, intercept)` of a frame: its functional group's, else the file's, else None."""
    return _pair(frame)[0]


def rescale_type(frame: Frame) -> str:
    """Return RescaleType, or the ModalityLUTType of a table that is used; upper case, "" where nobody said."""
    said = in_groups(frame.groups, "PixelValueTransformationSequence", "RescaleType")
    if _table(frame.header)[0] is not None:
        said = frame.header.ModalityLUTSequence[0].get("ModalityLUTType")
    return str(said or frame.header.get("RescaleType") or "").strip().upper()


def rescale_frames(stored: NDArray[Any], frames: Sequence[Frame]) -> Rescaled:
    """Return real values of `stored (N, Y, X)`, one Frame each from one file.

    int16 or int32 where slope and intercept are whole numbers and the result fits, else float32. RGB comes back
    untouched.
    """
    if stored.ndim == 4:
        return Rescaled(stored, "none")
    table, doubts = _table(frames[0].header)
    if table is not None and stored.dtype.kind in "iu":
        return Rescaled(_smallest(table.look_up(stored)), "modality_lut", doubts)
    read = [_pair(frame) for frame in frames]
    pairs = [pair for pair, _ in read]
    doubts = (*doubts, *dict.fromkeys(doubt for _, found in read for doubt in found))
    if all(pair is None for pair in pairs):
        return Rescaled(_smallest(stored), "none", doubts)
    how = "per_frame" if len(set(pairs)) > 1 else "rescale"
    parts = [_linear(one, *(pair or (1.0, 0.0))) for one, pair in zip(stored, pairs, strict=True)]
    values = np.stack(parts).astype(common_type([part.dtype for part in parts]), copy=False)
    return Rescaled(values, how, doubts)


def real_value(frame: Frame, stored: int) -> float:
    """Return what one stored value of a frame becomes, rounded as its voxels are."""
    return float(rescale_frames(np.array([[[stored]]], np.int64), [frame]).values[0, 0, 0])


def common_type(types: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the type that several frames share: never float64, which would double a volume for nothing."""
    joined = np.result_type(*types)
    return np.dtype(np.float32) if joined.kind == "f" else joined


def _table(header: Dataset) -> tuple[Table | None, tuple[str, ...]]:
    """The modality LUT of a file, None where it brings none that can be used, and what to say of it."""
    items = header.get("ModalityLUTSequence")
    if not items:
        return None, ()
    try:
        table = read_grey_table(items[0], header, signed=whole_number(header, "PixelRepresentation", 0) == 1)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return None, (f"modality_lut_ignored: {error}",)
    return table, tuple(f"lut_mended: modality LUT, {doubt}" for doubt in (table.doubts if table else ()))


def _pair(frame: Frame) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    slope: float | None = None
    intercept: float | None = None
    doubts: tuple[str, ...] = ()
    for source in (*_transforms(frame), frame.header):
        slope, bad_slope = _said(source, "RescaleSlope")
        intercept, bad_intercept = _said(source, "RescaleIntercept")
        doubts = (*doubts, *bad_slope, *bad_intercept)
        if slope is not None or intercept is not None:
            break
    if slope is None and not intercept:
        return None, doubts
    if slope is None:
        doubts = (*doubts, "rescale_slope: RescaleIntercept without a usable RescaleSlope; 1 is taken")
    return (1.0 if slope is None else slope, intercept or 0.0), doubts


def _transforms(frame: Frame) -> list[Dataset]:
    """The first items of PixelValueTransformationSequence, the frame's own before the shared one."""
    found = [group.get("PixelValueTransformationSequence") for group in frame.groups]
    return [items[0] for items in found if items]


def _said(source: Dataset, keyword: str) -> tuple[float | None, tuple[str, ...]]:
    """One number of a rescale; None, with a doubt, where it is there and cannot be one."""
    found = numbers(source, keyword)
    if not found:
        return None, ()
    if found[0] is None or (found[0] == 0 and keyword == "RescaleSlope"):
        said = "0" if found[0] == 0 else "no number"
        return None, (f"rescale_ignored: {keyword} is {said}",)
    return found[0], ()


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
