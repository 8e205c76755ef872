"""A table as rows, whatever its format: text with separators, JSON lines, or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.parquet

from radseek.index_builder.tables.delimited_rows import SEPARATORS, BadRow, DelimitedTable, TableRow
from radseek.index_builder.tables.text_encoding import TextEncoding, find_encoding, open_text
from radseek.retrieval.errors import UsageError

__all__ = ["ReadAs", "clean_cell", "identifier", "table_rows"]

_TEXT_TABLES: Final = (".csv", ".tsv", ".tab", ".txt")
_JSON_LINES: Final = (".jsonl", ".ndjson")
_PARQUET: Final = (".parquet", ".pq")
_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
_WORKBOOK_HEADS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # a zip; OLE, as old Excel writes
_BATCH: Final = 1024  # rows of a Parquet file held at once

Headings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadAs:
    """What a table is read for. `what`: the plural that messages call its rows, as in "reports".

    `known` counts the headings that are known, which tells the separator. `needed` returns the headings whose cells
    are wanted, and raises `UsageError` where one lacks. `last_text`: the only column with free text, where it is the
    last, else None; text there that an unquoted separator cut is joined again.
    """

    what: str
    known: Callable[[Sequence[str]], int]
    needed: Callable[[Headings], Collection[str]]
    last_text: Callable[[Headings], str | None] = lambda headings: None


def table_rows(path: Path, read_as: ReadAs, note: Callable[[str], None]) -> Iterator[TableRow | BadRow]:
    """Yield the rows of a table in a file; `note` is called with what was guessed or mended.

    Raises `UsageError` for a file that is none, or whose headings do not do.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(8)
    if suffix in _WORKBOOKS or head.startswith(_WORKBOOK_HEADS):
        raise UsageError("is a spreadsheet; save it as 'CSV UTF-8' and give that file")
    if suffix in _TEXT_TABLES:
        yield from _text_rows(path, read_as, note)
    elif suffix in _JSON_LINES:
        yield from _json_rows(path, read_as, note)
    elif suffix in _PARQUET:
        yield from _parquet_rows(path, read_as)
    else:
        raise UsageError(f"{read_as.what} are read from .csv, .tsv, .txt, .jsonl or .parquet, not '{suffix}'")


def identifier(cell: str) -> str:
    """Return an identifier without what spreadsheets put around one to keep its zeros: `="00123"`."""
    plain = clean_cell(cell)
    return plain[2:-1].strip() if plain.startswith('="') and plain.endswith('"') else plain


def clean_cell(cell: str) -> str:
    """Return a cell as it can be stored: JSON may hold half a surrogate pair, and any text a NUL."""
    return cell.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _text_rows(path: Path, read_as: ReadAs, note: Callable[[str], None]) -> Iterator[TableRow | BadRow]:
    encoding = _encoding(path, note)
    with open_text(path, encoding) as file:
        table = DelimitedTable(file, path.stat().st_size, read_as.known)
        if table.separator != ",":
            note(f"its columns are separated by {SEPARATORS.get(table.separator, repr(table.separator))}")
        _check_headings(path, table.headings, read_as)
        last = read_as.last_text(table.headings)
        damaged = 0
        for row in table.rows(last):
            damaged += isinstance(row, TableRow) and any("\ufffd" in cell for cell in row.cells.values())
            yield row
        if table.joined:
            note(f"{table.joined} rows had unquoted {SEPARATORS.get(table.separator, 'separators')} in '{last}'; "
                 "their text was joined again")  # fmt: skip
        if encoding.damaged and damaged:
            note(
                f"{damaged} rows hold bytes that are no {encoding.name}, shown as \ufffd; save the file again as UTF-8"
            )


def _encoding(path: Path, note: Callable[[str], None]) -> TextEncoding:
    encoding = find_encoding(path)
    if encoding.guessed:
        note(f"read as {encoding.name}, which is a guess; save it as UTF-8 where letters are wrong")
    return encoding


def _check_headings(path: Path, headings: Headings, read_as: ReadAs) -> None:
    try:
        read_as.needed(headings)
    except UsageError as error:
        if path.suffix.lower() == ".txt" and not read_as.known(headings):
            rule = f"{read_as.what} are read from .csv, .jsonl or .parquet, not '.txt' without a heading: {error}"
            raise UsageError(rule) from None
        raise


def _json_rows(path: Path, read_as: ReadAs, note: Callable[[str], None]) -> Iterator[TableRow | BadRow]:
    with open_text(path, _encoding(path, note)) as file:
        for number, line in enumerate(file, start=1):
            if line.strip("\ufeff\0 \t\r\n"):
                yield _json_row(number, line, read_as)


def _json_row(number: int, line: str, read_as: ReadAs) -> TableRow | BadRow:
    try:
        row = json.loads(line.strip("\ufeff\0 \t\r\n"))
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON ({getattr(error, 'msg', error)}); one object a line")
    if not isinstance(row, dict):
        return BadRow(number, f"a {type(row).__name__}, not an object; one object a line")
    try:
        read_as.needed(tuple(row))
    except UsageError as error:
        return BadRow(number, str(error))
    return TableRow(number, {name: _text(value) for name, value in row.items()})


def _parquet_rows(path: Path, read_as: ReadAs) -> Iterator[TableRow | BadRow]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            wanted = list(read_as.needed(tuple(file.schema_arrow.names)))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield TableRow(number, {name: _text(value) for name, value in row.items()})
    except pyarrow.ArrowException as error:
        raise UsageError(f"cannot be read as Parquet ({str(error).splitlines()[0]}); write it again") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "\n".join(map(_text, value)) if isinstance(value, list) else str(value)
