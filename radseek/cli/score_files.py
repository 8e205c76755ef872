"""Scores as CSV or Parquet, written as they come: one row a study and finding."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["COLUMNS", "WriteScores", "writing_scores"]

WriteScores = Callable[[Sequence[FindingScore]], None]

_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
_TYPES = {
    "study": _TEXT, "path": _TEXT, "series": _TEXT, "finding": _TEXT, "score": _NUMBER, "margin": _NUMBER,
    "interval_low": _NUMBER, "interval_high": _NUMBER, "percentile": _NUMBER, "probability": _NUMBER, "state": _TEXT,
    "reason": _TEXT, "view": _TEXT, "key_slice": _WHOLE, "stands_out": pa.bool_(),
    "not_told_apart": pa.bool_(), "x_mm": _NUMBER, "y_mm": _NUMBER, "z_mm": _NUMBER,
    "encoder": _TEXT, "findings_version": _TEXT, "notice": _TEXT,
}  # fmt: skip
COLUMNS = list(_TYPES)
_GROUP = 8192  # rows that a part of a Parquet file has


@contextmanager
def writing_scores(form: str | None, out: Path | None, encoder: str, findings_version: str) -> Iterator[WriteScores]:
    """Give what writes rows as `csv` or `parquet`, by the file's ending without a form; to stdout without a file.

    The file has its name when all of it is there. Raises `UsageError` for an ending that says neither, `StorageError`
    where the file cannot be written.
    """
    form = form or (out.suffix.lstrip(".").lower() if out is not None else "csv")
    if form not in ("csv", "parquet"):
        raise UsageError(f"{out}: scores are written as .csv or .parquet; name the file so, or give --format.")
    about = {"encoder": encoder, "findings_version": findings_version, "notice": NOTICE}
    if out is None:
        yield _csv(sys.stdout, about)
        return
    with writing_to(out.parent), _whole(out) as draft:
        if form == "parquet":
            with _parquet(draft, about) as write:
                yield write
        else:
            with draft.open("w", encoding="utf-8", newline="") as file:
                yield _csv(file, about)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a file to write that takes the place of `out` at the end; a pipe or a device is written as it is."""
    if out.exists() and not out.is_file():
        yield out
        return
    draft = out.with_name(f".{out.name}.draft")
    try:
        yield draft
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _csv(file: Any, about: dict[str, str]) -> WriteScores:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()

    def write(rows: Sequence[FindingScore]) -> None:
        writer.writerows(_row(row, about) for row in rows)
        file.flush()

    return write


@contextmanager
def _parquet(path: Path, about: dict[str, str]) -> Iterator[WriteScores]:
    schema = pa.schema(list(_TYPES.items()))
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema) as writer:

        def write(rows: Sequence[FindingScore]) -> None:
            waiting.extend(_row(row, about) for row in rows)
            if len(waiting) >= _GROUP:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting.clear()

        yield write
        writer.write_table(pa.Table.from_pylist(waiting, schema))


def _row(row: FindingScore, about: dict[str, str]) -> dict[str, Any]:
    document = row.to_dict()
    low, high = document["interval"] or (None, None)
    x, y, z = document["position"] or (None, None, None)
    added = {"interval_low": low, "interval_high": high, "x_mm": x, "y_mm": y, "z_mm": z}
    return {name: {**document, **added, **about}[name] for name in COLUMNS}
