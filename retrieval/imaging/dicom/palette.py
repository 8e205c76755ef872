"""Indices of a palette to RGB (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6), tables of odd shape included."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from radseek.retrieval.imaging.dicom.header_numbers import whole_number
from radseek.retrieval.imaging.dicom.lookup_table import Table, is_little_endian, read_table

__all__ = ["palette_to_rgb"]

_COLOURS: Final = ("Red", "Green", "Blue")


def palette_to_rgb(frames: NDArray[Any], dataset: Dataset) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return `frames (N, Y, X)` of palette indices as `(N, Y, X, 3)` uint8 RGB, and what was odd about the tables.

    Raises:
        ValueError: the file has no palette, or one that cannot be used.
    """
    if any(dataset.get(f"Segmented{colour}PaletteColorLookupTableData") for colour in _COLOURS):
        expanded = apply_color_lut(frames, dataset)[..., :3]
        return (expanded >> (8 * (expanded.dtype.itemsize - 1))).astype(np.uint8), ()
    tables = [_table(dataset, colour) for colour in _COLOURS]
    bits = max(table.bits for table in tables)
    largest = max(int(table.entries.max()) for table in tables)
    doubts = tuple(dict.fromkeys(f"lut_mended: palette, {doubt}" for table in tables for doubt in table.doubts))
    if bits > 8 and 0 < largest <= 0xFF:
        bits, doubts = 8, (*doubts, f"lut_mended: palette of {bits} bits announced, its entries have 8")
    channels = [(table.look_up(frames) >> max(bits - 8, 0)).astype(np.uint8) for table in tables]
    return np.stack(channels, axis=-1), doubts


def _table(dataset: Dataset, colour: str) -> Table:
    names = f"{colour}PaletteColorLookupTableDescriptor", f"{colour}PaletteColorLookupTableData"
    signed = whole_number(dataset, "PixelRepresentation", 0) == 1
    table = read_table(dataset, signed=signed, little=is_little_endian(dataset), names=names)
    if table is None:
        raise ValueError("PALETTE COLOR without a palette")
    return table
