"""The windows and the table with which a DICOM file asks to be shown (PS3.3 C.11.2). Read here, applied by the views.

Each is tried on its own: what is empty counts as absent, and what cannot be read is named and takes nothing with it.
"""

from __future__ import annotations

from typing import Any, Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.frames import Frame, in_groups
from radseek.retrieval.imaging.dicom.header_numbers import first_number, numbers, whole_number
from radseek.retrieval.imaging.dicom.lookup_table import Table, read_grey_table
from radseek.retrieval.types import Voi

__all__ = ["voi_of"]

_FUNCTIONS: Final = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})
_Pair = tuple[float, float]


def voi_of(frame: Frame) -> tuple[Voi | None, tuple[str, ...]]:
    """Return the windows and the first usable VOI LUT of a frame, None where it brings neither; and what was wrong."""
    windows, bad_windows = _windows(frame)
    table, bad_table = _table(frame.header)
    function, bad_function = _function(frame)
    doubts = (*bad_windows, *bad_table, *(bad_function if windows else ()))
    if not windows and table is None:
        return None, doubts
    center, width = windows[0] if windows else (None, None)
    lut, first = (None, 0.0) if table is None else (table.in_unit_range(), float(table.first))
    return Voi(center, width, function, lut, first, others=windows[1:]), doubts


def _windows(frame: Frame) -> tuple[tuple[_Pair, ...], tuple[str, ...]]:
    """The pairs of WindowCenter and WindowWidth that are numbers, in their order."""
    source = _source(frame)
    centers, widths = numbers(source, "WindowCenter"), numbers(source, "WindowWidth")
    pairs = list(zip(centers, widths, strict=False))
    good = tuple((center, width) for center, width in pairs if center is not None and width is not None)
    if len(good) < len(pairs):
        return good, ("window_ignored: WindowCenter or WindowWidth is no number",)
    if len(centers) != len(widths):
        return good, (f"window_ignored: {len(centers)} values of WindowCenter for {len(widths)} of WindowWidth",)
    return good, ()


def _source(frame: Frame) -> Dataset:
    """Where the window is said: the frame's FrameVOILUTSequence (PS3.3 C.7.6.16.2.10), else the file."""
    for group in frame.groups:
        items = group.get("FrameVOILUTSequence")
        if items and numbers(items[0], "WindowCenter"):
            item: Dataset = items[0]
            return item
    return frame.header


def _function(frame: Frame) -> tuple[str, tuple[str, ...]]:
    said: Any = in_groups(frame.groups, "FrameVOILUTSequence", "VOILUTFunction") or frame.header.get("VOILUTFunction")
    name = "_".join(str(said or "LINEAR").upper().replace("-", " ").replace("_", " ").split())
    if name in _FUNCTIONS:
        return name, ()
    return "LINEAR", ("voi_function: VOILUTFunction is none of PS3.3 C.11.2.1.3; LINEAR is taken",)


def _table(header: Dataset) -> tuple[Table | None, tuple[str, ...]]:
    """The first table that can be used, and what was wrong with those before it."""
    doubts: list[str] = []
    for item in header.get("VOILUTSequence") or ():
        try:
            table = read_grey_table(item, header, signed=_signed(header))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            doubts.append(f"voi_lut_ignored: {error}")
            continue
        if table is not None:
            return table, (*doubts, *(f"lut_mended: VOI LUT, {doubt}" for doubt in table.doubts))
    return None, tuple(doubts)


def _signed(header: Dataset) -> bool:
    """Whether values after the rescale can be negative, so that a table's first value is a signed one."""
    return whole_number(header, "PixelRepresentation", 0) == 1 or (first_number(header, "RescaleIntercept") or 0) < 0
