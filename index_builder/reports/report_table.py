"""A file of reports as rows: of a table in any format, the columns that matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from radseek.index_builder.reports.report_columns import Columns, known_headings, report_columns
from radseek.index_builder.tables.delimited_rows import BadRow, TableRow
from radseek.index_builder.tables.headings import plain_heading
from radseek.index_builder.tables.table_rows import ReadAs, clean_cell, identifier, table_rows

__all__ = ["Named", "PlacedReport", "report_rows"]


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that the user named, None where the headings are to tell."""

    study: str | None = None
    report: str | None = None

    def columns(self, headings: tuple[str, ...]) -> Columns:
        """Return which of a table's columns hold what. Raises `UsageError` as `report_columns` does."""
        return _columns(headings, self.study, self.report)

    def known(self, headings: Sequence[str]) -> int:
        """Return how many headings are known, or are the ones that the user named."""
        meant = {plain_heading(name) for name in (self.study, self.report) if name}
        return known_headings(headings) + sum(plain_heading(heading) in meant for heading in headings)

    def needed(self, headings: tuple[str, ...]) -> list[str]:
        """Return the headings of what is needed, those there are. Raises as `columns` does."""
        columns = self.columns(headings)
        return list(filter(None, (columns.study, columns.report, *columns.parts, columns.patient)))

    def last_text(self, headings: tuple[str, ...]) -> str | None:
        """Return the heading of the only column with text where it is the last, else None. Raises as `columns` does."""
        text = self.columns(headings).only_text
        return text if text == headings[-1] else None


@dataclass(frozen=True, slots=True)
class PlacedReport:
    """A row that can be used: its line, and what is in the columns that matter."""

    line: int
    study: str
    text: str
    patient: str


def report_rows(path: Path, named: Named, note: Callable[[str], None]) -> Iterator[PlacedReport | BadRow]:
    """Yield the rows of a file of reports; `note` is called with what was guessed or mended.

    Raises `UsageError` for a file that is none, or whose columns are not known.
    """
    read_as = ReadAs("reports", named.known, named.needed, named.last_text)
    for row in table_rows(path, read_as, note):
        yield row if isinstance(row, BadRow) else _placed(row, named.columns(tuple(row.cells)))


@lru_cache(maxsize=64)  # of JSON lines each has headings of its own, as a rule the same
def _columns(headings: tuple[str, ...], study: str | None, report: str | None) -> Columns:
    return report_columns(headings, study, report)


def _placed(row: TableRow, columns: Columns) -> PlacedReport | BadRow:
    study = identifier(row.cells.get(columns.study, ""))
    if not study:
        return BadRow(row.line, f"the column '{columns.study}' is empty or missing; every report needs one")
    text = clean_cell(row.cells.get(columns.report, ""))
    text = text or "\n".join(filter(None, (clean_cell(row.cells.get(name, "")) for name in columns.parts)))
    return PlacedReport(row.line, study, text, identifier(row.cells.get(columns.patient, "")))
