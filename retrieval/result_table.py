"""What every result can do: be counted and looked through row by row, and become a dict, JSON, CSV, Arrow or pandas."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ColumnType", "ResultTable", "arrow_schema"]

RowT = TypeVar("RowT")
ColumnType = Literal["text", "number", "whole", "flag"]
_SHOWN = 20  # rows that a notebook shows


def arrow_schema(columns: Mapping[str, ColumnType]) -> pa.Schema:
    """Return columns as an Arrow schema: string, float64, int64 and bool, each of which may be null.

    Args:
        columns: names of columns, in their order, with the type of each.
    """
    import pyarrow as pa

    types = {"text": pa.string(), "number": pa.float64(), "whole": pa.int64(), "flag": pa.bool_()}
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])


class ResultTable(Generic[RowT]):
    """Mixed into a result, which says its rows (`rows`), its columns (`columns`), their cells and its document.

    A result is true even where it has no row: whether there is one, `len` says.
    """

    __slots__ = ()

    @property
    def rows(self) -> tuple[RowT, ...]:
        """Return the rows, in the result's order."""
        raise NotImplementedError

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the names and types of the columns of `to_csv`, `to_arrow` and `to_pandas`."""
        raise NotImplementedError

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a line of the table, with every column's name; nothing in it is nested."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the document that the command prints with `--json`, as JSON-able values."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[RowT]:
        return iter(self.rows)

    @overload
    def __getitem__(self, at: int) -> RowT: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[RowT, ...]: ...
    def __getitem__(self, at: int | slice) -> RowT | tuple[RowT, ...]:
        return self.rows[at]

    def to_json(self, path: str | Path | None = None, *, indent: int | None = 2) -> str:
        """Return `to_dict()` as JSON text, and write it to a file where one is named.

        Args:
            path: a file to write, in UTF-8; None writes none.
            indent: spaces a level; None puts all on one line.

        Returns:
            The text, equal to what the command prints with `--json`.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the table as CSV text with a header line, and write it to a file where one is named.

        Args:
            path: a file to write, in UTF-8; None writes none.

        Returns:
            The text. An empty cell is a value that there is not.

        Raises:
            OSError: the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.columns))
        writer.writeheader()
        writer.writerows(self.records())
        if path is not None:
            Path(path).write_text(text.getvalue(), encoding="utf-8", newline="")
        return text.getvalue()

    def to_arrow(self) -> pa.Table:
        """Return the table as a `pyarrow.Table`, which polars, DuckDB and pandas take without a copy."""
        import pyarrow as pa

        return pa.Table.from_pylist(self.records(), schema=arrow_schema(self.columns))

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a `pandas.DataFrame`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError(
                "to_pandas needs pandas, which radseek does not bring: pip install pandas; to_arrow needs nothing more."
            ) from error
        return pd.DataFrame.from_records(self.records(), columns=list(self.columns))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows as a table, how many more there are, and the notice."""
        records = self.records()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{_shown(row[name])}</td>" for name in self.columns) + "</tr>"
            for row in records[:_SHOWN]
        )
        more = f"<p>and {len(records) - _SHOWN} more rows</p>" if len(records) > _SHOWN else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}{more}<p><em>{html.escape(NOTICE)}</em></p>"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
