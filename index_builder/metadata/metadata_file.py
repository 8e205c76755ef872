"""A file of metadata on its way to the studies that it names, through the build's scratch database."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from radseek.index_builder.metadata.metadata_columns import StudyMetadata, metadata_columns
from radseek.index_builder.tables.copied_rows import copy_rows
from radseek.index_builder.tables.delimited_rows import BadRow
from radseek.index_builder.tables.row_paths import path_beside
from radseek.index_builder.tables.table_rows import ReadAs, identifier, table_rows
from radseek.retrieval.errors import RadseekError, UsageError
from radseek.retrieval.types import Skipped

__all__ = ["find_metadata", "load_metadata", "unmatched_metadata"]


def load_metadata(
    path: Path,
    database: sqlite3.Connection,
    *,
    study_column: str | None,
    skip: Callable[[Skipped], None],
    note: Callable[[str], None],
) -> None:
    """Copy a file of metadata into the scratch database.

    One row a study, named by StudyInstanceUID, accession number or path. `skip` is called with rows that cannot be
    used, `note` with what was guessed, and with the headings that were left out.

    Raises `UsageError` where the file or a column is missing, or no row can be used.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file of metadata; give a .csv, .jsonl or .parquet file")

    def keep(row: tuple[str, StudyMetadata]) -> None:
        study, said = row
        values = (study, path_beside(path.parent, study), pickle.dumps(said))
        database.execute("INSERT INTO metadata (study, located, said) VALUES (?, ?, ?)", values)

    copy_rows(path, _rows(path, study_column, lambda text: note(f"{path.name}: {text}")), keep, skip)
    database.execute("CREATE INDEX IF NOT EXISTS metadata_by_study ON metadata (study)")
    database.execute("CREATE INDEX IF NOT EXISTS metadata_by_path ON metadata (located)")
    database.commit()


def find_metadata(database: sqlite3.Connection, names: Iterable[str]) -> StudyMetadata | None:
    """Return what is said under the first of a study's names that has a row, and mark it used; the last row counts."""
    for name in names:
        query = "SELECT rowid, said FROM metadata WHERE study = ? OR located = ? ORDER BY rowid"
        rows = database.execute(query, (name, name)).fetchall() if name else []
        if rows:
            database.executemany("UPDATE metadata SET used = 1 WHERE rowid = ?", [(row[0],) for row in rows])
            found: StudyMetadata = pickle.loads(rows[-1][1])  # noqa: S301 - our own, minutes old
            return found
    return None


def unmatched_metadata(database: sqlite3.Connection) -> int:
    """Return how many rows no study claimed."""
    return int(database.execute("SELECT count(*) FROM metadata WHERE used = 0").fetchone()[0])


def _rows(
    path: Path, study_column: str | None, note: Callable[[str], None]
) -> Iterator[tuple[str, StudyMetadata] | BadRow]:
    """Yield what each row calls its study and says of it; at the end `note` is called with the headings left out."""
    columns_of = lru_cache(maxsize=64)(metadata_columns)
    left_out: dict[str, None] = {}

    def known(headings: Sequence[str]) -> int:
        try:
            return len(columns_of(tuple(headings), study_column).wanted())
        except UsageError:
            return 0

    read_as = ReadAs("metadata", known, lambda headings: columns_of(headings, study_column).wanted())
    for row in table_rows(path, read_as, note):
        if isinstance(row, BadRow):
            yield row
            continue
        columns = columns_of(tuple(row.cells), study_column)
        left_out |= dict.fromkeys(columns.left_out)
        study = identifier(row.cells.get(columns.study, ""))
        try:
            said = columns.read(row.cells)
        except RadseekError as error:
            yield BadRow(row.line, f"cannot be used: {error}")
            continue
        yield (study, said) if study else BadRow(row.line, f"has no study: the column '{columns.study}' is empty")
    if left_out:
        note(f"not kept, since an index names nobody and reports come with --reports: {', '.join(left_out)}")
