"""Filters on a study's attributes, as people type them: `modality=CT`, `age=40-60`, `sex=F`."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from radseek.retrieval.errors import UnknownNameError, UsageError, nearest
from radseek.retrieval.index.catalog.filter_values import meant_values

__all__ = ["FIELDS", "NUMBERS", "OWN", "SERIES_FIELDS", "Clause", "Where", "field_named", "own_field"]

_LONGEST_NAME = 40
# Fields of a series; a study matches where any of its series does.
SERIES_FIELDS = ("body_part", "modality")
# Whole numbers, asked for as one value or a range.
NUMBERS = ("age", "year")
WORDS = ("manufacturer", "sex", "site")
FIELDS = tuple(sorted((*SERIES_FIELDS, *NUMBERS, *WORDS, "report")))
OWN = "own:"  # before the names of an archive's own columns, wherever they are kept beside ours


@dataclass(frozen=True, slots=True)
class Clause:
    """One field and what it may be: any of `values` (lower case), or a number from `low` to `high`."""

    field: str
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Clauses that must all hold. An empty one lets everything through."""

    clauses: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str], own: Mapping[str, bool] = {}) -> Where:
        """Return the filter of `texts`, each `FIELD=VALUE`: all fields must match, of one field's values any.

        Values are compared without case and by their usual names (`sex=male`, `modality=磁共振`); several are separated
        by commas (`modality=CT,MR`) or by giving the field again. `age` and `year` take a number or a range: `40-60`,
        `40-`, `-60`. `report` takes `yes` or `no`. A study whose attribute is unknown does not match. `own`: the
        archive's own columns, each with whether it holds numbers alone, which are asked for as `age` is.

        Raises `UnknownNameError` for a field that does not exist, `UsageError` for a malformed text.

        >>> Where.parse(["age=40-60"]).clauses
        (Clause(field='age', values=(), low=40, high=60),)
        """
        words: dict[str, tuple[str, ...]] = {}
        ranges: list[Clause] = []
        for text in texts:
            name, value = _split(text, own)
            if name in NUMBERS or own.get(name.removeprefix(OWN), False):
                ranges.append(_number_clause(name, value, text))
            else:
                words[name] = (*words.get(name, ()), *_values(name, value, text))
        clauses = [Clause(name, tuple(sorted(set(values)))) for name, values in words.items()]
        return cls(tuple(sorted([*clauses, *ranges], key=lambda c: (c.field, c.low or 0, c.high or 0))))

    def __str__(self) -> str:
        """Write the filter as `parse` reads it, joined by spaces."""
        return " ".join(_write(clause) for clause in self.clauses)

    def texts(self) -> list[str]:
        """Return the clauses as texts that `parse` reads back to an equal filter."""
        return [_write(clause) for clause in self.clauses]


def own_field(heading: str) -> str:
    """Return the name under which a column of one's own is kept and asked for; "" for one without letters or digits.

    >>> own_field(" Tumour-Grade (WHO) "), own_field("分级")
    ('tumour_grade_who', '分级')
    """
    plain = unicodedata.normalize("NFKC", heading).casefold()
    return re.sub(r"\W+", "_", plain).strip("_")[:_LONGEST_NAME]


def field_named(name: str, own: Mapping[str, bool]) -> str:
    """Return the field that a name means, with `OWN` before it for one of the archive's `own` columns.

    Raises `UnknownNameError` where there is none.
    """
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    if plain in FIELDS:
        return plain
    if own_field(name) in own:
        return OWN + own_field(name)
    there = (*FIELDS, *sorted(own))
    raise UnknownNameError(f"No filter is called '{plain}'{nearest(plain, there)}; there are {', '.join(there)}.")


def _split(text: str, own: Mapping[str, bool]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise UsageError(f"The filter '{text}' is not FIELD=VALUE; write for example modality=CT or age=40-60.")
    return field_named(name, own), value.strip()


def _values(name: str, value: str, text: str) -> tuple[str, ...]:
    values = tuple(meant for v in re.split("[,，、]", value) if v.strip() for meant in meant_values(name, v))
    if not values:
        raise UsageError(f"The filter '{text}' names no value; write for example {name}=...")
    if name == "report" and not set(values) <= {"yes", "no"}:
        raise UsageError(f"The filter '{text}' asks for neither report=yes nor report=no; write one of the two.")
    return values


def _number_clause(name: str, value: str, text: str) -> Clause:
    low, dash, high = value.partition("-")
    try:
        first = _number(name, low) if low.strip() else None
        last = (_number(name, high) if high.strip() else None) if dash else first
    except ValueError:
        first = last = None
    if (first is None and last is None) or (first is not None and last is not None and first > last):
        shown = name.removeprefix(OWN)
        raise UsageError(f"The filter '{text}' is no number or rising range; write {shown}=40, 40-60, 40- or -60.")
    return Clause(name, (), first, last)


def _number(name: str, text: str) -> float:
    """Return a number of a filter: whole where the field is one of ours."""
    if name in NUMBERS or text.strip().isdecimal():
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _write(clause: Clause) -> str:
    name = clause.field.removeprefix(OWN)
    if clause.values:
        return f"{name}={','.join(clause.values)}"
    low = "" if clause.low is None else clause.low
    high = "" if clause.high is None else clause.high
    return f"{name}={low}-{high}"
