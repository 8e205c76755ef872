"""Numbers out of header values that may be empty, no number at all, or several where one was meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from radseek.retrieval.imaging.dicom.header_values import value_of

__all__ = ["first_number", "numbers", "whole_number"]


def numbers(dataset: Dataset, keyword: str) -> tuple[float | None, ...]:
    """Return the values of an attribute as numbers, one each, None for one that is no finite number.

    () where the attribute is absent or empty (PS3.5 7.4: an empty value is an unknown one). Decimal strings that
    pydicom refuses as a whole are read one by one, so that a bad value does not take a good one with it.
    """
    return tuple(_number(value) for value in _values(dataset, keyword))


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value as a number; None where it is absent, empty or no number."""
    return next(iter(numbers(dataset, keyword)), None)


def whole_number(dataset: Dataset, keyword: str, default: int) -> int:
    """Return the first value as an integer; `default` where it is absent, empty or no whole number."""
    value = first_number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else default


def _values(dataset: Dataset, keyword: str) -> Sequence[Any]:
    value = value_of(dataset, keyword)
    if isinstance(value, bytes):  # VR unknown, or "US or SS" that nothing settled
        return _of_bytes(value, dataset)
    if isinstance(value, str):  # one value, or several that pydicom did not split because one is no number
        return value.strip(" \0").split("\\") if value.strip(" \0") else ()
    if value is None:
        return ()
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]


def _of_bytes(value: bytes, dataset: Dataset) -> list[Any]:
    if any(byte < 0x20 for byte in value.rstrip(b"\0")) or not value.strip(b"\0"):  # binary, not text
        order = "big" if getattr(dataset, "original_encoding", (None, True))[1] is False else "little"
        return [int.from_bytes(value[at : at + 2], order) for at in range(0, len(value) - 1, 2)]  # type: ignore[arg-type]
    text = value.decode("ascii", "replace").strip(" \0")
    return list(text.split("\\")) if text else []


def _number(value: Any) -> float | None:
    try:
        number = float(str(value).strip(" \0")) if isinstance(value, str) else float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
