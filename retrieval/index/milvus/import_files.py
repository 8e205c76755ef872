"""Parquet files for Milvus' bulk import, which takes a large archive in far sooner than requests do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.catalog.where import NUMBERS, SERIES_FIELDS
from radseek.retrieval.index.milvus.view_rows import TEXT_FIELDS

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["ImportFiles"]

_LARGEST = 512 << 20  # bytes of vectors a file


class ImportFiles:
    """Files `views-00000.parquet`... in a folder, each of as many rows as fit; use `with`."""

    def __init__(self, folder: Path, dim: int) -> None:
        """Begin in a folder, made if need be. Raises `UsageError` where it holds such files already."""
        if list(folder.glob("views-*.parquet")):
            raise UsageError(f"{folder} holds files of an earlier push; import them, or name another folder.")
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.files, self.rows = folder, list[str](), 0
        self._most = max(1, _LARGEST // (4 * dim))
        self._schema = _schema(dim)
        self._writer: pq.ParquetWriter | None = None
        self._in_file = 0

    def __enter__(self) -> ImportFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows. Raises `StorageError` where the disk is full."""
        if not rows:
            return
        with writing_to(self.folder):
            if self._writer is None:
                import pyarrow.parquet as pq

                path = self.folder / f"views-{len(self.files):05d}.parquet"
                self.files.append(str(path))
                # Widened float16 has few different values, so that Arrow's dictionary halves the files.
                self._writer, self._in_file = pq.ParquetWriter(path, self._schema), 0
            self._writer.write_table(self._table(rows))
        self.rows += len(rows)
        self._in_file += len(rows)
        if self._in_file >= self._most:
            self._end()

    def _table(self, rows: Sequence[dict[str, Any]]) -> pa.Table:
        vectors = np.concatenate([row["vector"] for row in rows])
        edges = np.linspace(0, len(vectors), len(rows) + 1).astype(np.int32)
        columns = [
            pa.ListArray.from_arrays(edges, vectors)
            if field.name == "vector"
            else pa.array([row[field.name] for row in rows], field.type)
            for field in self._schema
        ]
        return pa.Table.from_arrays(columns, schema=self._schema)

    def _end(self) -> None:
        if self._writer is not None:
            with writing_to(self.folder):
                self._writer.close()
            self._writer = None


def _schema(dim: int) -> pa.Schema:
    """Return the columns as the collection has them; a vector is a list of `dim` float32."""
    text, several = pa.string(), pa.list_(pa.string())
    fields = [("id", pa.int64()), ("mark", pa.int64()), ("view", text)]
    fields += [(name, several) for name in SERIES_FIELDS]
    fields += [(name, text) for name in TEXT_FIELDS]
    fields += [(name, pa.float64()) for name in NUMBERS]
    return pa.schema([*fields, ("stamp", text), ("vector", pa.list_(pa.float32()))], metadata={"dim": str(dim)})
