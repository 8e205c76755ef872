"""A file of reports as rows, whatever its format: text with separators, JSON lines, or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.parquet

from radseek.index_builder.reports.delimited_rows import SEPARATORS, BadRow, DelimitedTable, ReportRow
from radseek.index_builder.reports.report_columns import Columns, known_headings, plain_heading, report_columns
from radseek.index_builder.reports.text_encoding import find_encoding, open_text
from radseek.retrieval.errors import UsageError

__all__ = ["Named", "PlacedReport", "report_rows"]

TEXT_TABLES: Final = (".csv", ".tsv", ".tab", ".txt")
JSON_LINES: Final = (".jsonl", ".ndjson")
PARQUET: Final = (".parquet", ".pq")
_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
_WORKBOOK_HEADS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # a zip; OLE, as old Excel writes
_BATCH: Final = 1024  # rows of a Parquet file held at once


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that the user named, None where the headings are to tell."""

    study: str | None = None
    report: str | None = None

    def columns(self, headings: tuple[str, ...]) -> Columns:
        """Return which of a table's columns hold what. Raises `UsageError` as `report_columns` does."""
        return report_columns(headings, self.study, self.report)

    def known(self, headings: Sequence[str]) -> int:
        """Return how many headings are known, or are the ones that the user named."""
        meant = {plain_heading(name) for name in (self.study, self.report) if name}
        return known_headings(headings) + sum(plain_heading(heading) in meant for heading in headings)


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
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(8)
    if suffix in _WORKBOOKS or head.startswith(_WORKBOOK_HEADS):
        raise UsageError("is a spreadsheet; save it as 'CSV UTF-8' and give that file")
    if suffix in TEXT_TABLES:
        yield from _text_rows(path, named, note)
    elif suffix in JSON_LINES:
        yield from _json_rows(path, named, note)
    elif suffix in PARQUET:
        yield from _parquet_rows(path, named)
    else:
        raise UsageError(f"reports are read from .csv, .tsv, .txt, .jsonl or .parquet, not '{suffix}'")


def _text_rows(path: Path, named: Named, note: Callable[[str], None]) -> Iterator[PlacedReport | BadRow]:
    encoding = find_encoding(path)
    if encoding.guessed:
        note(f"read as {encoding.name}, which is a guess; save it as UTF-8 where letters are wrong")
    with open_text(path, encoding) as file:
        table = DelimitedTable(file, path.stat().st_size, named.known)
        if table.separator != ",":
            note(f"its columns are separated by {SEPARATORS.get(table.separator, repr(table.separator))}")
        columns = _columns_of_text(path, table, named)
        last = columns.only_text if columns.only_text == table.headings[-1] else None
        damaged = 0
        for row in table.rows(last):
            damaged += isinstance(row, ReportRow) and any("\ufffd" in cell for cell in row.cells.values())
            yield row if isinstance(row, BadRow) else _placed(row, columns)
        if table.joined:
            note(f"{table.joined} rows had unquoted {SEPARATORS.get(table.separator, 'separators')} in '{last}'; "
                 "their text was joined again")  # fmt: skip
        if encoding.damaged and damaged:
            note(
                f"{damaged} rows hold bytes that are no {encoding.name}, shown as \ufffd; save the file again as UTF-8"
            )


def _columns_of_text(path: Path, table: DelimitedTable, named: Named) -> Columns:
    try:
        return named.columns(table.headings)
    except UsageError as error:
        if path.suffix.lower() == ".txt" and not named.known(table.headings):
            rule = f"reports are read from .csv, .jsonl or .parquet, not '.txt' without a heading: {error}"
            raise UsageError(rule) from None
        raise


def _json_rows(path: Path, named: Named, note: Callable[[str], None]) -> Iterator[PlacedReport | BadRow]:
    encoding = find_encoding(path)
    if encoding.guessed:
        note(f"read as {encoding.name}, which is a guess; save it as UTF-8 where letters are wrong")
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, start=1):
            if line.strip("\ufeff\0 \t\r\n"):
                yield _json_row(number, line, named)


def _json_row(number: int, line: str, named: Named) -> PlacedReport | BadRow:
    try:
        row = json.loads(line.strip("\ufeff\0 \t\r\n"))
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON ({getattr(error, 'msg', error)}); one object a line")
    if not isinstance(row, dict):
        return BadRow(number, f"a {type(row).__name__}, not an object; one object a line")
    try:
        columns = named.columns(tuple(row))
    except UsageError as error:
        return BadRow(number, str(error))
    return _placed(ReportRow(number, {name: _text(value) for name, value in row.items()}), columns)


def _parquet_rows(path: Path, named: Named) -> Iterator[PlacedReport | BadRow]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = named.columns(tuple(file.schema_arrow.names))
            wanted = list(filter(None, (columns.study, columns.report, *columns.parts, columns.patient)))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield _placed(ReportRow(number, {name: _text(value) for name, value in row.items()}), columns)
    except pyarrow.ArrowException as error:
        raise UsageError(f"cannot be read as Parquet ({str(error).splitlines()[0]}); write it again") from error


def _placed(row: ReportRow, columns: Columns) -> PlacedReport | BadRow:
    study = _identifier(row.cells.get(columns.study, ""))
    if not study:
        return BadRow(row.line, f"the column '{columns.study}' is empty or missing; every report needs one")
    text = _clean(row.cells.get(columns.report, ""))
    text = text or "\n".join(filter(None, (_clean(row.cells.get(name, "")) for name in columns.parts)))
    return PlacedReport(row.line, study, text, _identifier(row.cells.get(columns.patient, "")))


def _identifier(cell: str) -> str:
    """Return an identifier without what spreadsheets put around one to keep its zeros: `="00123"`."""
    plain = _clean(cell)
    return plain[2:-1].strip() if plain.startswith('="') and plain.endswith('"') else plain


def _clean(cell: str) -> str:
    """Return a cell as it can be stored: JSON may hold half a surrogate pair, and any text a NUL."""
    return cell.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "\n".join(map(_text, value)) if isinstance(value, list) else str(value)
