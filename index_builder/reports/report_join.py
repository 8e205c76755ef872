"""Reports from tables in text, JSONL or Parquet, joined to studies by StudyInstanceUID, accession number or path."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from radseek.index_builder.reports.report_table import Named, report_rows
from radseek.index_builder.tables.delimited_rows import BadRow
from radseek.retrieval.errors import Reason, UsageError
from radseek.retrieval.path_text import found_path, shown_path
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
    count, bad = 0, []
    try:
        for row in report_rows(path, named, lambda text: note(f"{path.name}: {text}")):
            if isinstance(row, BadRow):
                bad.append(row)
                continue
            values = (row.study, _located(path.parent, row.study), row.text, row.patient)
            database.execute("INSERT INTO reports (study, located, text, patient) VALUES (?, ?, ?, ?)", values)
            count += 1
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    if bad and not count:
        raise UsageError(f"{path}, line {bad[0].line}: {bad[0].rule}")
    for row in bad:
        skip(Skipped(f"{path.name}:{row.line}", Reason.BAD_HEADER, f"line {row.line} {row.rule}"))
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


def _located(folder: Path, study: str) -> str:
    """Return the whole path of what a row names beside the file of reports; "" where nothing is there."""
    try:
        beside = found_path(folder / study)
        return shown_path(str(beside.resolve())) if beside.exists() else ""
    except (OSError, ValueError):  # too long for a path, or no path at all
        return ""
