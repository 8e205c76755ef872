"""Rows of a table in text: separators by the heading, quotes by the rule, and no text after a comma lost in silence.

RFC 4180 says what a CSV file is; Excel writes semicolons where the decimal mark is a comma, tabs in its Unicode text.
"""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from radseek.retrieval.errors import UsageError

__all__ = ["SEPARATORS", "BadRow", "DelimitedTable", "TableRow"]

SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LARGEST_LIMIT: Final = min(sys.maxsize, 2**31 - 1)  # a C long, which the csv module keeps its limit in


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: the line of the file that it begins in, from 1, and its cells by heading."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and the rule that it breaks."""

    line: int
    rule: str


class DelimitedTable:
    """A table in text, read line by line. `headings` and `separator` are known at once, `joined` is when it is read."""

    def __init__(self, lines: Iterable[str], size: int, known: Callable[[Sequence[str]], int]) -> None:
        """Take a file's lines with their ends, its size in bytes, and what counts the headings that are known.

        Raises `UsageError` where there is no heading.
        """
        # The limit is the whole interpreter's: it is raised to what this file can need, and never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), min(size + 1, _LARGEST_LIMIT)))
        self._lines = _Lines(lines)
        self.separator = _separator(self._lines, known)
        self.headings: tuple[str, ...] = ()
        self.joined = 0
        heading = next(self._parsed(), None)
        if heading is None:
            raise UsageError("the file is empty; its first line must name the columns")
        if isinstance(heading, BadRow):
            raise UsageError(f"line {heading.line}, which must name the columns, {heading.rule}")
        self.headings = tuple(cell.strip().lstrip("\ufeff") for cell in heading.cells)

    def rows(self, last_text: str | None) -> Iterator[TableRow | BadRow]:
        """Yield the rows. `last_text`: the text column, where it is the only one and the last, else None.

        Text there that a separator cut is joined again; elsewhere a row with more columns than the heading is bad.
        """
        width = len(self.headings)
        for row in self._parsed():
            if isinstance(row, BadRow):
                yield row
                continue
            cells = row.cells
            if len(cells) > width and any(cell.strip() for cell in cells[width:]):
                if last_text is None:
                    yield BadRow(row.line, self._too_many(len(cells)))
                    continue
                cells = [*cells[: width - 1], self.separator.join(cells[width - 1 :])]
                self.joined += 1
            if len(cells) < width and len(cells) < 2:
                yield BadRow(row.line, f"has 1 column where the heading has {width}; is it the rest of the row before?")
                continue
            yield TableRow(row.line, dict(zip(self.headings, [*cells, *[""] * width], strict=False)))

    def _too_many(self, count: int) -> str:
        mark = SEPARATORS[self.separator]
        return f'has {count} columns where the heading has {len(self.headings)}; put text with {mark} in it in "quotes"'

    def _parsed(self) -> Iterator[_Cells | BadRow]:
        """Yield rows as lists of cells; where quotes do not pair up, that line alone is bad."""
        while True:
            self._lines.begin()
            reader = csv.reader(self._lines, delimiter=self.separator, strict=True)
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield self._unquoted(is_cut="end of data" in str(error))
                continue
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield _Cells(self._lines.first, cells)

    def _unquoted(self, *, is_cut: bool) -> _Cells | BadRow:
        """Read the first line of a row whose quotes do not pair up as if quotes were letters; give the others back."""
        first, count = self._lines.taken[0], len(self._lines.taken)
        self._lines.give_back(count - 1)
        cells = first.rstrip("\r\n").split(self.separator)
        if count == 1 and not is_cut and len(cells) == len(self.headings):
            return _Cells(self._lines.first, cells)
        rule = 'has quotes that do not pair up; write a quote inside quoted text twice, as in "a ""large"" mass"'
        return BadRow(self._lines.first, rule)


@dataclass(frozen=True, slots=True)
class _Cells:
    line: int
    cells: list[str]


class _Lines:
    """Lines for a csv reader, without NULs, that knows which it gave for the row in hand and takes them back."""

    def __init__(self, source: Iterable[str]) -> None:
        self._source = iter(source)
        self._waiting: deque[str] = deque()
        self._given = 0
        self.first = 1  # the number of the row's first line
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._source).replace("\0", "")
        self._given += 1
        self.taken.append(line)
        return line

    def begin(self) -> None:
        """Start a row."""
        self.first = self._given + 1
        self.taken.clear()

    def give_back(self, count: int) -> None:
        """Take the last `count` lines of the row in hand back."""
        if count:
            self._waiting.extendleft(reversed(self.taken[-count:]))
            del self.taken[-count:]
            self._given -= count


def _separator(lines: _Lines, known: Callable[[Sequence[str]], int]) -> str:
    """Return what separates the columns: what gives most known headings, then most columns; commas where in doubt."""
    while True:
        lines.begin()
        line = next(lines, "")
        named = line.strip().lstrip("\ufeff").lower()
        if named.startswith("sep=") and len(named) == 5:  # what Excel writes and hides
            return named[4]
        if named or not line:
            lines.give_back(len(lines.taken))
            break

    def cells(mark: str) -> list[str]:
        return next(csv.reader([line], delimiter=mark), [])

    return max(SEPARATORS, key=lambda mark: (known(cells(mark)), len(cells(mark))))
