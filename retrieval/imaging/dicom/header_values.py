"""Values of a header, read so that one that is malformed is absent, and never an exception.

A number that only orders images, or distinguishes two of them, must not refuse a file: what is written in
InstanceNumber or EchoTime is then text. Private elements are read where their private creator stands (PS3.5 7.8.1).
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any, Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

__all__ = ["as_number", "as_text", "order_number", "private_value", "value_of"]

# What pydicom raises on an element whose bytes do not fit its value representation.
_MALFORMED: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError)


def value_of(header: Dataset, keyword: str) -> Any:
    """Return the value of a standard attribute; its stored bytes as text where they do not fit, None where absent."""
    try:
        return header.get(keyword)
    except _MALFORMED:
        raw = header.get_item(tag_for_keyword(keyword) or 0)
        value = getattr(raw, "value", None)
        return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else None


def as_number(value: Any) -> float | None:
    """Return a value, or the first of several, as a finite number; None where it is none.

    Bytes are read as text, else as a little-endian float, the two ways in which an unknown VR stores numbers.

    >>> as_number("12.5"), as_number(["7", "8"]), as_number("A1"), as_number(None)
    (12.5, 7.0, None, None)
    """
    if isinstance(value, list | tuple | MultiValue):
        return as_number(value[0]) if value else None
    if isinstance(value, bytes):
        return _from_bytes(value)
    try:
        number = float(str(value).split("\\")[0]) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def order_number(value: Any) -> tuple[int, bool]:
    """Return what a value orders by, and whether it was a number: "A12" orders by 12 and was none, nothing by 0.

    >>> order_number("A12"), order_number("3"), order_number(None), order_number("x")
    ((12, False), (3, True), (0, True), (0, False))
    """
    text = as_text(value).strip()
    if not text:
        return 0, True
    number = as_number(value)
    if number is not None:
        return int(number), True
    digits = re.findall(r"\d+", text)
    return (int(digits[-1][-9:]) if digits else 0), False


def as_text(value: Any) -> str:
    r"""Return a value as text, several joined by a backslash as DICOM does; "" for None.

    >>> as_text(["ORIGINAL", "PRIMARY"]), as_text(5), as_text(None)
    ('ORIGINAL\\PRIMARY', '5', '')
    """
    if value is None:
        return ""
    if isinstance(value, list | tuple | MultiValue):
        return "\\".join(str(v).strip() for v in value)
    return str(value).strip()


def private_value(header: Dataset, group: int, element: int, creator: str, maker: str) -> Any:
    """Return a private element's value, None where it is not there.

    `element` is the low byte, `creator` the private creator that reserves its block. Some anonymisers remove the
    creators and leave the elements: without any in the group, block 10 of a file whose Manufacturer starts with
    `maker` is taken.
    """
    elements = [tag & 0xFFFF for tag in header.keys() if tag >> 16 == group]  # noqa: SIM118 - its values cost time
    if not elements:
        return None
    try:
        return header.private_block(group, creator)[element].value
    except _MALFORMED:
        pass
    reserved = any(0x10 <= low <= 0xFF for low in elements)
    if reserved or not as_text(value_of(header, "Manufacturer")).casefold().startswith(maker.casefold()):
        return None
    try:
        return header[group, 0x1000 + element].value
    except _MALFORMED:
        return None


def _from_bytes(value: bytes) -> float | None:
    text = value.decode("ascii", "replace").strip("\0 ")
    if re.fullmatch(r"[-+0-9.eE\\ ]+", text):
        return as_number(text)
    form = {2: "<h", 4: "<f", 8: "<d"}.get(len(value))
    return as_number(struct.unpack(form, value)[0]) if form else None
