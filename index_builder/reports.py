"""Reports from CSV, JSONL or Parquet, joined to studies by StudyInstanceUID, accession number or path."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet

from retrieval.errors import UsageError

__all__ = ["Report", "find_report", "load_reports", "unmatched_reports"]

TEXT_COLUMNS = ("report", "findings", "impression")


@dataclass(frozen=True, slots=True)
class Report:
    """The text that belongs to a study, as written, and the patient it names, if it does."""

    text: str
    patient: str


def load_reports(path: Path, database: sqlite3.Connection) -> int:
    """Copy a file of reports into the scratch database; return how many rows it had.

    Columns: `study` (a StudyInstanceUID, an accession number or a path) and `report`, or `findings` and
    `impression`; `patient` if known. Raises `UsageError` where the file or a column is missing.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file of reports; give a .csv, .jsonl or .parquet file")
    count = 0
    for number, row in enumerate(_rows(path), start=1):
        study = (row.get("study") or "").strip()
        if not study:
            raise UsageError(f"{path}, row {number}: the column 'study' is empty or missing; every report needs one")
        if not any(column in row for column in TEXT_COLUMNS):
            raise UsageError(f"{path}: needs a column 'report', or 'findings' and 'impression'; has {', '.join(row)}")
        patient = (row.get("patient") or "").strip()
        located = path.parent / study  # a path beside the file of reports
        values = (study, str(located.resolve()) if located.exists() else "", _text(row), patient)
        database.execute("INSERT INTO reports (study, located, text, patient) VALUES (?, ?, ?, ?)", values)
        count += 1
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


def _text(row: Mapping[str, str | None]) -> str:
    report = (row.get("report") or "").strip()
    if report:
        return report
    findings, impression = ((row.get(name) or "").strip() for name in ("findings", "impression"))
    return "\n".join(part for part in (findings, impression) if part)


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    elif suffix in {".jsonl", ".ndjson"}:
        yield from _json_rows(path)
    elif suffix == ".parquet":
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield {name: None if value is None else str(value) for name, value in row.items()}
    else:
        raise UsageError(f"{path}: reports are read from .csv, .jsonl or .parquet, not '{suffix}'")


def _json_rows(path: Path) -> Iterator[dict[str, str | None]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UsageError(f"{path}, line {number}: not JSON ({error.msg}); one object a line") from error
            if not isinstance(row, dict):
                raise UsageError(f"{path}, line {number}: a {type(row).__name__}, not an object; one object a line")
            yield {name: None if value is None else str(value) for name, value in row.items()}
