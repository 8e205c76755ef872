"""Scores as CSV or Parquet: one row a study and finding."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from retrieval.errors import UsageError
from retrieval.results import NOTICE, ScreenResult
from retrieval.storage import writing_to

__all__ = ["COLUMNS", "write_scores"]

COLUMNS = [
    "study", "path", "series", "finding", "score", "margin", "interval_low", "interval_high", "percentile",
    "probability", "state", "reason", "view", "key_slice", "stands_out", "not_told_apart", "x_mm", "y_mm",
    "z_mm", "encoder", "findings_version", "notice",
]  # fmt: skip


def write_scores(result: ScreenResult, form: str | None, out: Path | None) -> None:
    """Write scores as `csv` or `parquet`; without a form the file's ending says which, without a file to stdout.

    Raises `UsageError` for an ending that says neither, `StorageError` where the file cannot be written.
    """
    form = form or (out.suffix.lstrip(".").lower() if out is not None else "csv")
    rows = [_row(result, document) for document in result.to_json()["results"]]
    if form not in ("csv", "parquet"):
        raise UsageError(f"{out}: scores are written as .csv or .parquet; name the file so, or give --format.")
    if out is None:
        _write_csv(sys.stdout, rows)
        return
    with writing_to(out.parent):
        if form == "parquet":
            columns = {name: [row[name] for row in rows] for name in COLUMNS}
            pq.write_table(pa.table(columns), out)
        else:
            with out.open("w", encoding="utf-8", newline="") as file:
                _write_csv(file, rows)


def _write_csv(file: Any, rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)


def _row(result: ScreenResult, document: dict[str, Any]) -> dict[str, Any]:
    low, high = document["interval"] or (None, None)
    x, y, z = document["position"] or (None, None, None)
    added = {
        "interval_low": low,
        "interval_high": high,
        "x_mm": x,
        "y_mm": y,
        "z_mm": z,
        "encoder": result.encoder.name,
        "findings_version": result.findings_version,
        "notice": NOTICE,
    }
    return {name: {**document, **added}[name] for name in COLUMNS}
