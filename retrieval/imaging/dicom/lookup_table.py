"""One lookup table of a DICOM file: modality, VOI or palette (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from radseek.retrieval.imaging.dicom.header_numbers import numbers
from radseek.retrieval.imaging.dicom.header_values import value_of

__all__ = ["Table", "is_little_endian", "read_grey_table", "read_table"]

_MOST: Final = 65_536  # entries; the descriptor has 16 bits for their number and writes this one as 0
_FEWEST_BITS: Final = 8
_MOST_BITS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`entries (L,)` of `bits` bits, the first for the value `first`; `doubts` say what did not fit the descriptor."""

    entries: NDArray[np.int64]
    first: int
    bits: int
    doubts: tuple[str, ...] = ()

    def look_up(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the entry of each integer value; those below and above the table take its ends (PS3.3 C.11.1.1.1)."""
        index = np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: NDArray[np.int64] = self.entries[index]
        return found

    def in_unit_range(self) -> NDArray[np.float32]:
        """Return the entries as shares of the largest that `bits` can hold, `(L,)` in 0..1."""
        shares: NDArray[np.float64] = np.clip(self.entries / (2**self.bits - 1), 0, 1)
        return shares.astype(np.float32)


def read_table(
    dataset: Dataset, *, signed: bool, little: bool, names: tuple[str, str] = ("LUTDescriptor", "LUTData")
) -> Table | None:
    """Return the table that two attributes describe, None where both are empty (a placeholder).

    Entries come as US or OW, a word each, or 8-bit ones packed two a word (PS3.3 C.11.1.1.1). Where the descriptor
    does not fit the data, the data decides and `doubts` say so, as dcmtk does. `signed`: whether the values that
    are looked up can be negative, which makes the descriptor's second value a signed one.

    Raises:
        ValueError: only one of the two is there, or there is no table of two entries or more in them.
    """
    described = [None if value is None else int(value) for value in numbers(dataset, names[0])]
    data = _words(value_of(dataset, names[1]), little)
    if not described and not data:
        return None
    if len(described) != 3 or None in described:
        raise ValueError(f"{names[0]} has {len(described)} values, not three numbers")
    if not data:
        raise ValueError(f"{names[1]} is empty")
    said, first, bits = (int(value or 0) for value in described)
    entries, packed, doubts = _entries(data, (said & 0xFFFF) or _MOST, bits, little=little)
    if entries.size < 2:
        raise ValueError(f"{names[1]} has {entries.size} entries")
    bits, more = _bits(8 if packed else bits, int(entries.max()))
    if signed and first > 0x7FFF:
        first -= 0x10000  # the descriptor is stored unsigned, its value is not
    return Table(entries, first, bits, (*doubts, *more))


def read_grey_table(item: Dataset, header: Dataset, *, signed: bool) -> Table | None:
    """Return the table of an item of a modality or VOI LUT sequence; see `read_table`.

    Raises:
        ValueError: as `read_table`, and where all entries are one, which would blank the image.
    """
    table = read_table(item, signed=signed, little=is_little_endian(header))
    if table is not None and table.entries.min() == table.entries.max():
        raise ValueError("LUTData is one value everywhere")
    return table


def is_little_endian(dataset: Dataset) -> bool:
    """Whether the words of OW values in a data set are stored low byte first."""
    return getattr(dataset, "original_encoding", (None, True))[1] is not False


def _words(value: Any, little: bool) -> bytes:
    """The data as stored, whether pydicom made numbers of it (US, SS) or left it alone (OW, OB)."""
    if value is None or value == "":
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raise ValueError("the table's data are no numbers")
    listed = list(value) if isinstance(value, list | tuple | MultiValue) else [value]
    return (np.array([int(one) for one in listed], np.int64) & 0xFFFF).astype("<u2" if little else ">u2").tobytes()


def _entries(data: bytes, said: int, bits: int, *, little: bool) -> tuple[NDArray[np.int64], bool, tuple[str, ...]]:
    """The entries, whether they were packed two a word, and what did not fit."""
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2").astype(np.int64)
    if said > 1 and len(data) in (said, said + said % 2):
        return _unpacked(data, little=little)[:said], True, ()  # without the byte that makes the length even
    packed = 0 < bits <= _FEWEST_BITS and len(words) < said and bool((words > 0xFF).any())
    found = (_unpacked(data, little=little) if packed else words)[:_MOST]
    return found, packed, (f"{len(found)} entries where {said} are announced",) if len(found) != said else ()


def _unpacked(data: bytes, *, little: bool) -> NDArray[np.int64]:
    found = np.frombuffer(data, np.uint8).astype(np.int64)
    if little:
        return found
    # In a big-endian word the second byte is the first entry.
    return found[: len(found) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()


def _bits(said: int, largest: int) -> tuple[int, tuple[str, ...]]:
    """Bits of an entry: as said where that can be, else as many as the largest entry needs (as dcmtk does)."""
    needed = min(max(largest.bit_length(), _FEWEST_BITS), _MOST_BITS)
    if _FEWEST_BITS <= said <= _MOST_BITS and needed <= said:
        return said, ()
    return needed, (f"entries of {said} bits announced, {needed} needed",)
