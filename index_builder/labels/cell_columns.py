"""A table of labels in memory: a column of cells for every heading, whatever the format it was in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from radseek.index_builder.tables.delimited_rows import BadRow
from radseek.index_builder.tables.table_rows import ReadAs, clean_cell, identifier, table_rows
from radseek.retrieval.errors import UsageError

__all__ = ["CellColumns", "read_columns"]

_NAMED = 3  # lines that a note names


@dataclass(frozen=True, slots=True, eq=False)
class CellColumns:
    """The cells of `rows` rows by heading, "" where a row has none."""

    rows: int
    cells: dict[str, list[str]]

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings in the order of the file."""
        return tuple(self.cells)

    def kept(self, rows: Sequence[int]) -> CellColumns:
        """Return only these rows."""
        return CellColumns(len(rows), {name: [cells[row] for row in rows] for name, cells in self.cells.items()})

    def identifiers(self, heading: str) -> list[str]:
        """Return a column of identifiers, without what spreadsheets put around one; "" for a heading of ""."""
        return [identifier(cell) for cell in self.cells[heading]] if heading else [""] * self.rows


def read_columns(
    path: Path,
    known: Callable[[Sequence[str]], int],
    check: Callable[[tuple[str, ...]], object],
    note: Callable[[str], None],
) -> CellColumns:
    """Read a whole table of labels; `note` is called with what was guessed, mended or left out.

    `known` counts the headings that are known; `check` raises `UsageError` for headings that do not do.

    Raises `UsageError` for a file that is no table, or of whose rows none can be used.
    """

    def needed(headings: tuple[str, ...]) -> tuple[str, ...]:
        check(headings)
        return headings

    cells: dict[str, list[str]] = {}
    same: dict[str, str] = {}  # few cells differ: one copy of each is held
    bad: list[BadRow] = []
    rows = 0
    for row in table_rows(path, ReadAs("labels", known, needed), note):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        rows += 1
        _add(cells, row.cells, rows, same)
    if not rows:
        first = f"line {bad[0].line} {bad[0].rule}" if bad else "it has no rows"
        raise UsageError(f"no row can be used: {first}; mend the table")
    if bad:
        named = "; ".join(f"line {row.line} {row.rule}" for row in bad[:_NAMED])
        note(f"{len(bad)} rows cannot be used: {named}{'; …' if len(bad) > _NAMED else ''}")
    return CellColumns(rows, cells)


def _add(columns: dict[str, list[str]], cells: dict[str, str], rows: int, same: dict[str, str]) -> None:
    """Add the cells of a table's row number `rows` to its columns."""
    for heading, cell in cells.items():
        if heading not in columns:
            columns[heading] = [""] * (rows - 1)
        if cell not in same:
            same[cell] = clean_cell(cell)
        columns[heading].append(same[cell])
    if len(cells) < len(columns):
        for column in columns.values():
            column.extend([""] * (rows - len(column)))
