"""The window or table with which a DICOM file asks to be shown (PS3.3 C.11.2). Read here, applied by the views."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from retrieval.imaging.dicom_frames import Frame, in_groups
from retrieval.types import Voi

__all__ = ["voi_of"]

_FUNCTIONS: Final = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def voi_of(frame: Frame) -> Voi | None:
    """Return the first window and the first VOI LUT of a frame, None where it brings neither or nonsense."""
    try:
        center = _first(_attribute(frame, "WindowCenter"))
        width = _first(_attribute(frame, "WindowWidth"))
        table = _table(frame.header.get("VOILUTSequence"), frame.header)
    except (ValueError, TypeError, AttributeError, LookupError):
        return None
    function = str(_attribute(frame, "VOILUTFunction") or "LINEAR").strip().upper()
    if center is None and width is None and table is None:
        return None
    lut, first = table or (None, 0.0)
    return Voi(center, width, function if function in _FUNCTIONS else "LINEAR", lut, first)


def _attribute(frame: Frame, keyword: str) -> Any:
    grouped = in_groups(frame.groups, "FrameVOILUTSequence", keyword)
    return frame.header.get(keyword) if grouped is None else grouped


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value) if isinstance(value, int | float | str) else float(value[0])
    return number if np.isfinite(number) else None


def _table(items: Any, header: Dataset) -> tuple[NDArray[np.float32], float] | None:
    """The table scaled to 0..1, and the voxel value of its first entry."""
    if not items:
        return None
    count, first, bits = (int(v) for v in items[0].LUTDescriptor)
    count = count or 65_536
    raw = items[0].LUTData
    if isinstance(raw, bytes):
        big = header.get("original_encoding") == (False, False)
        raw = np.frombuffer(raw, np.uint8 if bits <= 8 and len(raw) < 2 * count else (">u2" if big else "<u2"))
    entries = np.asarray(raw, dtype=np.int64).ravel()[:count] & 0xFFFF
    if entries.size < 2 or not 8 <= bits <= 16:
        return None
    signed = int(header.get("PixelRepresentation") or 0) == 1 or float(header.get("RescaleIntercept") or 0) < 0
    if signed and first > 0x7FFF:
        first -= 0x10000  # the descriptor is stored unsigned, its value is not
    return np.clip(entries / (2**bits - 1), 0, 1).astype(np.float32), float(first)
