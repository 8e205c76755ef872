"""Filters on a study's attributes, as people type them: `modality=CT`, `age=40-60`, `sex=F`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from radseek.retrieval.errors import UnknownNameError, UsageError, nearest
from radseek.retrieval.index.catalog.filter_values import meant_values

__all__ = ["FIELDS", "NUMBERS", "Clause", "Where"]

# Fields of a series; a study matches where any of its series does.
SERIES_FIELDS = ("body_part", "modality")
# Whole numbers, asked for as one value or a range.
NUMBERS = ("age", "year")
WORDS = ("manufacturer", "sex", "site")
FIELDS = tuple(sorted((*SERIES_FIELDS, *NUMBERS, *WORDS, "report")))


@dataclass(frozen=True, slots=True)
class Clause:
    """One field and what it may be: any of `values` (lower case), or a number from `low` to `high`."""

    field: str
    values: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Clauses that must all hold. An empty one lets everything through."""

    clauses: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Where:
        """Return the filter of `texts`, each `FIELD=VALUE`: all fields must match, of one field's values any.

        Values are compared without case and by their usual names (`sex=male`, `modality=磁共振`); several are separated
        by commas (`modality=CT,MR`) or by giving the field again. `age` and `year` take a number or a range: `40-60`,
        `40-`, `-60`. `report` takes `yes` or `no`. A study whose attribute is unknown does not match.

        Raises `UnknownNameError` for a field that does not exist, `UsageError` for a malformed text.

        >>> Where.parse(["age=40-60"]).clauses
        (Clause(field='age', values=(), low=40, high=60),)
        """
        words: dict[str, tuple[str, ...]] = {}
        ranges: list[Clause] = []
        for text in texts:
            name, value = _split(text)
            if name in NUMBERS:
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


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip().lower().replace("-", "_").replace(" ", "_")
    if not equals or not value.strip():
        raise UsageError(f"The filter '{text}' is not FIELD=VALUE; write for example modality=CT or age=40-60.")
    if name not in FIELDS:
        raise UnknownNameError(f"No filter is called '{name}'{nearest(name, FIELDS)}; there are {', '.join(FIELDS)}.")
    return name, value.strip()


def _values(name: str, value: str, text: str) -> tuple[str, ...]:
    values = tuple(meant for v in re.split("[,，、]", value) if v.strip() for meant in meant_values(name, v))
    if not values:
        raise UsageError(f"The filter '{text}' names no value; write for example {name}=...")
    if name == "report" and not set(values) <= {"yes", "no"}:
        raise UsageError(f"The filter '{text}' asks for neither report=yes nor report=no.")
    return values


def _number_clause(name: str, value: str, text: str) -> Clause:
    low, dash, high = value.partition("-")
    try:
        first = int(low) if low.strip() else None
        last = (int(high) if high.strip() else None) if dash else first
    except ValueError:
        first = last = None
    if (first is None and last is None) or (first is not None and last is not None and first > last):
        raise UsageError(f"The filter '{text}' is no number or rising range; write {name}=40, 40-60, 40- or -60.")
    return Clause(name, (), first, last)


def _write(clause: Clause) -> str:
    if clause.field not in NUMBERS:
        return f"{clause.field}={','.join(clause.values)}"
    low = "" if clause.low is None else clause.low
    high = "" if clause.high is None else clause.high
    return f"{clause.field}={low}-{high}"
