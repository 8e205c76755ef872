"""Reports from tables in text, JSONL or Parquet, joined to studies by StudyInstanceUID, accession number or path."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from radseek.index_builder.reports.report_table import Named, PlacedReport, report_rows
from radseek.index_builder.tables.copied_rows import copy_rows
from radseek.index_builder.tables.row_paths import path_beside
from radseek.retrieval.errors import UsageError
from radseek.retrieval.types import Skipped

__all__ = ["Named", "Report", "find_report", "load_reports", "unmatched_reports"]


@dataclass(frozen=True, slots=True)
class Report:
    """The text that belongs to a study, as written, and the patient it names, if it does."""

    text: str
    patient: str


def load_reports(
    path: Path,
    database: sqlite3.Connection,
    *,
    named: Named = Named(),  # noqa: B008 - frozen
    skip: Callable[[Skipped], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> int:
    """Copy a file of reports into the scratch database; return how many rows it had.

    Columns: `study` (a StudyInstanceUID, an accession number or a path) and `report`, or `findings` and
    `impression`; `patient` if known; other headings that exports use are understood, and `named` names any.
    `skip` is called with rows that cannot be used, `note` of what was guessed or mended; else both are warnings.

    Raises `UsageError` where the file or a column is missing, or no row can be used.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file of reports; give a .csv, .jsonl or .parquet file")
    skip = skip or (lambda line: warnings.warn(f"{line.path}: {line.message}", UserWarning, stacklevel=3))
    note = note or (lambda text: warnings.warn(text, UserWarning, stacklevel=3))

    def keep(row: PlacedReport) -> None:
        values = (row.study, path_beside(path.parent, row.study), row.text, row.patient)
        database.execute("INSERT INTO reports (study, located, text, patient) VALUES (?, ?, ?, ?)", values)

    count = copy_rows(path, report_rows(path, named, lambda text: note(f"{path.name}: {text}")), keep, skip)
    database.execute("CREATE INDEX IF NOT EXISTS reports_by_study ON reports (study)")
    database.execute("CREATE INDEX IF NOT EXISTS reports_by_path ON reports (located)")
    database.commit()
    return count


def find_report(database: sqlite3.Connection, names: Iterable[str]) -> Report | None:
    """Return the report filed under the first of a study's names that has one, and mark it used."""
    for name in names:
        if not name:
            continue
        query = "SELECT rowid, text, patient FROM reports WHERE study = ? OR located = ?"
        rows = database.execute(query, (name, name)).fetchall()
        if rows:
            database.executemany("UPDATE reports SET used = 1 WHERE rowid = ?", [(row[0],) for row in rows])
            text = "\n".join(dict.fromkeys(row[1] for row in rows if row[1]))
            return Report(text=text, patient=next((row[2] for row in rows if row[2]), ""))
    return None


def unmatched_reports(database: sqlite3.Connection) -> int:
    """Return how many reports no study claimed."""
    return int(database.execute("SELECT count(*) FROM reports WHERE used = 0").fetchone()[0])
