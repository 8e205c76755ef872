"""Measurements and changes as they are read: digits that fit the unit, and what a number rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radseek.html.explain_page import ChangeRow, MeasuredRow
from radseek.html.explain_words import Words
from radseek.retrieval.explain.caveats import reading_caveats
from radseek.retrieval.explain.evidence import ChangeItem, MeasurementItem

__all__ = ["amount", "change_row", "measured_row", "point", "signed"]

_MINUS = "\N{MINUS SIGN}"
_UNITLESS = ("raw", "count", "")


def amount(value: float, unit: str) -> str:
    """Return a number as it is read: a count whole, anything else with one decimal, below 10 with two.

    >>> amount(412.7, "ml"), amount(3.0, "count"), amount(-7.126, "HU")
    ('412.7', '3', '\N{MINUS SIGN}7.13')
    """
    digits = 0 if unit == "count" else 1 if abs(value) >= 10 else 2
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", _MINUS)  # + 0.0: there is no minus nothing


def signed(value: float, unit: str) -> str:
    """Return a number with its sign, which an increase has too."""
    return f"+{amount(value, unit)}" if value > 0 else amount(value, unit)


def measured_row(item: MeasurementItem, words: Words, backs: Sequence[int] = ()) -> MeasuredRow:
    """Return a measurement as a row: a number with its unit, or a word such as the side."""
    value = "" if item.value is None else amount(item.value, item.unit)
    if item.text is not None:
        value = words.of("side", item.text)
    quantity = words.of("quantity", item.quantity)
    return MeasuredRow(item.id, quantity, value, _unit(item.unit), _details(item.details, words), tuple(backs))


def change_row(item: ChangeItem, words: Words, backs: Sequence[int] = ()) -> ChangeRow:
    """Return a change as a row; the percentage is empty where there was nothing before."""
    return ChangeRow(
        item.id,
        item.label,
        words.of("quantity", item.quantity),
        amount(item.before, item.unit),
        amount(item.after, item.unit),
        signed(item.absolute, item.unit),
        "" if item.percent is None else f"{signed(item.percent, '%')} %",
        _unit(item.unit),
        tuple(backs),
    )


def _unit(unit: str) -> str:
    return "" if unit in _UNITLESS else unit


def _details(details: Mapping[str, Any], words: Words) -> str:
    """What a reader checks a number by: the slice, the two end points, the voxels; then what limits it."""
    shown: list[str] = []
    if isinstance(z := details.get("slice"), int):
        shown.append(words.page["slice"].format(z=z + 1))
    if "ends" in details:
        shown.append(words.page["ends"].format(ends=" \N{RIGHTWARDS ARROW} ".join(point(p) for p in details["ends"])))
    if isinstance(count := details.get("voxels"), int):
        shown.append(words.page["voxel_count"].format(count=f"{count:,}"))
    shown += [words.names(one.text) for one in reading_caveats([str(caveat) for caveat in details.get("caveats", [])])]
    return "; ".join(shown)


def point(place: Sequence[float]) -> str:
    """Return a place in mm, one decimal.

    >>> point((1.5, 22.0, -841.25))
    '(1.5, 22.0, \N{MINUS SIGN}841.2)'
    """
    return f"({', '.join(f'{value:.1f}' for value in place)})".replace("-", _MINUS)
