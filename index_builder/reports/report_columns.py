"""Which columns of a table of reports hold what: by the headings of exports, or by the names that a user gives."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from radseek.index_builder.tables.headings import (
    by_plain_heading,
    first_heading,
    plain_heading,
    shown_headings,
)
from radseek.retrieval.errors import UsageError, nearest

__all__ = ["Columns", "identifying_headings", "known_headings", "report_columns"]

_TABLE: Final = files("radseek.index_builder.reports") / "report_columns.toml"


@dataclass(frozen=True, slots=True)
class Columns:
    """The headings, as the table writes them, of what is needed; "" and () for what the table lacks.

    `report` holds a whole text; where it is empty, `parts` (findings, impression) are the text.
    """

    study: str
    report: str
    parts: tuple[str, ...]
    patient: str

    @property
    def only_text(self) -> str | None:
        """Return the heading of the only column with text, None where there are several."""
        texts = tuple(filter(None, (self.report, *self.parts)))
        return texts[0] if len(texts) == 1 else None


def report_columns(headings: Sequence[str], study_column: str | None, report_column: str | None) -> Columns:
    """Return which columns hold what. `study_column` and `report_column`: headings that the user named.

    Raises `UsageError` where one is not there, and says which headings are, and which option names the right one.
    """
    by_plain = by_plain_heading(headings)
    study = _named(headings, by_plain, study_column, "--study-column") or _first(by_plain, "study")
    if not study:
        raise UsageError(
            f"the column 'study' is empty or missing; {shown_headings(headings)}; say which holds a "
            "StudyInstanceUID, an accession number or a path, with --study-column NAME"
        )
    named = _named(headings, by_plain, report_column, "--report-column")
    report = named or _first(by_plain, "report")
    found = () if named else (_first(by_plain, kind) for kind in ("findings", "impression"))
    parts = tuple(part for part in found if part and part != report)
    if not report and not parts:
        raise UsageError(
            f"needs a column 'report', or 'findings' and 'impression'; {shown_headings(headings)}; say which holds the "
            "text, with --report-column NAME"
        )
    return Columns(study, report, parts, _first(by_plain, "patient"))


def known_headings(headings: Iterable[str]) -> int:
    """Return how many headings are among those that tables of reports use."""
    known = {name for names in _known().values() for name in names}
    return sum(plain_heading(heading) in known for heading in headings)


def identifying_headings(kind: str) -> tuple[str, ...]:
    """Return the headings, as they are compared, of what names a "study" or a "patient" in tables, the best first."""
    return _known()[kind]


def _named(headings: Sequence[str], by_plain: Mapping[str, str], name: str | None, option: str) -> str:
    if name is None:
        return ""
    if name in headings:
        return name
    if not plain_heading(name) or plain_heading(name) not in by_plain:
        raise UsageError(f"{option} {name}: no such column{nearest(name, headings)}; {shown_headings(headings)}")
    return by_plain[plain_heading(name)]


def _first(by_plain: Mapping[str, str], kind: str) -> str:
    return first_heading(by_plain, _known()[kind])


@cache
def _known() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = tomllib.loads(_TABLE.read_text("utf-8"))
    return {kind: tuple(plain_heading(name) for name in names) for kind, names in table.items()}
