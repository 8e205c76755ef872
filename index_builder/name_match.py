"""Whether the rows of a user's tables name the studies that were found: known before a pixel is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from radseek.index_builder.discover import FoundStudy, found_studies
from radseek.index_builder.metadata.metadata_file import find_metadata
from radseek.index_builder.reports.report_join import find_report
from radseek.retrieval.errors import UsageError
from radseek.retrieval.path_text import printable

__all__ = ["match_tables", "three_of"]

_NAMED: Final = 3  # of each side
_CALLED: Final = " study is named by its StudyInstanceUID, its accession number or its path"


def match_tables(
    database: sqlite3.Connection,
    key: bytes,
    *,
    reports: Path | None,
    metadata: Path | None,
    note: Callable[[str], None],
) -> None:
    """Match what `load_reports` and `load_metadata` copied with what `discover` found; `note` says what is left over.

    Raises `UsageError`, with three names of each side, where no row of a table names any study that was found.
    """
    if reports is not None:
        _match(database, key, reports, "reports", lambda found: find_report(database, found.names), note)
    if metadata is not None:
        _match(database, key, metadata, "metadata", lambda found: find_metadata(database, found.names), note)


def three_of(names: list[str], count: int) -> str:
    """Return the first three of `count` names, as a sentence shows them."""
    shown = ", ".join(f"'{printable(one)}'" for one in names[:_NAMED])
    return f"{shown} and {count - _NAMED} more" if count > _NAMED else shown


def _match(
    database: sqlite3.Connection,
    key: bytes,
    table: Path,
    kind: str,
    find: Callable[[FoundStudy], object],
    note: Callable[[str], None],
) -> None:
    lacking: list[str] = []
    studies = matched = 0
    for found in found_studies(database, key):
        studies += 1
        if find(found) is not None:
            matched += 1
        elif len(lacking) < _NAMED:
            lacking.append(found.source_path)
    rows = f"FROM {kind} WHERE used = 0"  # `kind` is one of two words of ours
    (unmatched,) = database.execute(f"SELECT count(*) {rows}").fetchone()
    if not unmatched or not studies:
        return
    first = [row[0] for row in database.execute(f"SELECT DISTINCT study {rows} ORDER BY rowid LIMIT {_NAMED}")]
    if not matched:
        later = ", or build without it and add it later with `radseek reports`" if kind == "reports" else ""
        raise UsageError(
            f"None of {unmatched} rows of {table.name} names one of {studies} studies found: it has "
            f"{three_of(first, unmatched)}, and they are {three_of(lacking, studies)}. A{_CALLED}; "
            f"say which column names it with --study-column{later}."
        )
    left = studies - matched
    also = (
        f", and {left} {'study has' if left == 1 else 'studies have'} no row ({three_of(lacking, left)})"
        if left
        else ""
    )
    note(f"{table.name}: {unmatched} rows are of no study found ({three_of(first, unmatched)}){also}; a{_CALLED}.")
