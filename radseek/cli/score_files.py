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
from radseek.retrieval.errors import UsageError
from radseek.retrieval.result_table import arrow_schema
from radseek.retrieval.scoring.score_results import SCREEN_COLUMNS, FindingScore, score_record

__all__ = ["COLUMNS", "WriteScores", "writing_scores"]

WriteScores = Callable[[Sequence[FindingScore]], None]

COLUMNS = list(SCREEN_COLUMNS)
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
    about = (encoder, findings_version)
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


def _csv(file: Any, about: tuple[str, str]) -> WriteScores:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()

    def write(rows: Sequence[FindingScore]) -> None:
        writer.writerows(score_record(row, *about) for row in rows)
        file.flush()

    return write


@contextmanager
def _parquet(path: Path, about: tuple[str, str]) -> Iterator[WriteScores]:
    schema = arrow_schema(SCREEN_COLUMNS)
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema) as writer:

        def write(rows: Sequence[FindingScore]) -> None:
            waiting.extend(score_record(row, *about) for row in rows)
            if len(waiting) >= _GROUP:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting.clear()

        yield write
        writer.write_table(pa.Table.from_pylist(waiting, schema))
