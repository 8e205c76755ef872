"""The order in which answers are shown: by similarity, by date, or by a column of the studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from radseek.retrieval.index.catalog.where import NUMBERS, OWN, SERIES_FIELDS, field_named
from radseek.retrieval.index.store import Case, Store

__all__ = ["SIMILARITY", "sort_field", "sorted_rows"]

SIMILARITY: Final = "similarity"
_DATE: Final = "date"


class _Row(Protocol):
    @property
    def study(self) -> str: ...


_R = TypeVar("_R", bound=_Row)
_Key = tuple[bool, float, str]


def sort_field(name: str, store: Store) -> str:
    """Return what answers are sorted by: "similarity", "date", or a field that filters have.

    Raises `UnknownNameError` for any other name.
    """
    plain = name.strip().lower()
    return plain if plain in (SIMILARITY, _DATE) else field_named(name, store.own_columns())


def sorted_rows(rows: Sequence[_R], field: str, store: Store) -> tuple[_R, ...]:
    """Return answers, which come by similarity, in the order of a field from `sort_field`; equal ones stay in theirs.

    Dates and years run from the newest, numbers and words from the least; what is not known comes last. The date is the
    linkage's where that is there, else the year.
    """
    if field == SIMILARITY or not rows:
        return tuple(rows)
    studies = {row.study for row in rows}
    cases = {case.key: case for case in store.cases(studies=sorted(studies))}
    numbers = field in NUMBERS or store.own_columns().get(field.removeprefix(OWN), False)
    keys = {
        key: _date_key(case, store) if field == _DATE else _key(case, field, is_number=numbers)
        for key, case in cases.items()
    }
    return tuple(sorted(rows, key=lambda row: keys[row.study]))


def _date_key(case: Case, store: Store) -> _Key:
    linkage_of = getattr(store, "linkage_of", None)  # a store of another kind has no linkage
    link = None if linkage_of is None else linkage_of(case.key)
    digits = "" if link is None else "".join(char for char in link.date if char.isdecimal())[:8]
    year = str(case.attributes.get("year", ""))
    known = digits if len(digits) == 8 else f"{year}0000" if year.isdecimal() else ""
    return (not known, -float(known or 0), "")


def _key(case: Case, field: str, *, is_number: bool) -> _Key:
    if field in SERIES_FIELDS:
        value = min((getattr(one, field) for one in case.series if getattr(one, field)), default="")
    elif field == "report":
        value = "" if case.report else "none"  # those with a report first
        return (False, 0.0, value)
    else:
        value = str(case.attributes.get(field, ""))
    if not is_number or not value:
        return (not value, 0.0, value.casefold())
    return (False, -float(value) if field == "year" else float(value), "")
