"""Scores as CSV or Parquet, written as they come: one row a study and finding."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from radseek.cli.score_lines import ScoreLines, read_lines, score_lines
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import UsageError
from radseek.retrieval.result_table import arrow_schema
from radseek.retrieval.scoring.score_results import SCREEN_COLUMNS, FindingScore, flat_score, score_record

__all__ = ["COLUMNS", "WriteScores", "writing_scores"]

WriteScores = Callable[[Sequence[FindingScore]], None]

COLUMNS = list(SCREEN_COLUMNS)
_GROUP = 8192  # rows that a part of a Parquet file has


@contextmanager
def writing_scores(
    form: str | None, out: Path | None, encoder: str, findings_version: str, done: set[str] | None = None
) -> Iterator[WriteScores]:
    """Give what writes rows as `csv`, `jsonl` or `parquet`, by the file's ending without a form; to stdout without a
    file.

    With `done` the run goes on from an interrupted one, whose finished studies it is filled with: JSON lines from those
    in the file, Parquet from the lines kept beside it until all is there.

    The file has its name when all of it is there. Raises `UsageError` for an ending that says neither, `StorageError`
    where the file cannot be written.
    """
    form = form or (out.suffix.lstrip(".").lower() if out is not None else "csv")
    if form not in ("csv", "jsonl", "parquet"):
        raise UsageError(f"{out}: scores are written as .csv, .jsonl or .parquet; name the file so, or give --format.")
    if done is not None and (out is None or form == "csv"):
        raise UsageError("--resume goes on with a file of --format jsonl or parquet; say which with --out FILE.")
    about = (encoder, findings_version)
    if out is None:
        named = {"encoder": encoder, "findings_version": findings_version}
        yield ScoreLines(sys.stdout, named, set()).write if form == "jsonl" else _csv(sys.stdout, about)
        return
    if form == "jsonl" or done is not None:
        with _lines(form, out, about, done) as write:
            yield write
        return
    with writing_to(out.parent), _whole(out) as draft:
        if form == "parquet":
            with _parquet(draft, about) as write:
                yield write
        else:
            with draft.open("w", encoding="utf-8", newline="") as file:
                yield _csv(file, about)


@contextmanager
def _lines(form: str, out: Path, about: tuple[str, str], done: set[str] | None) -> Iterator[WriteScores]:
    """Give what writes JSON lines; those of a Parquet file lie beside it until all are there."""
    path = out if form == "jsonl" else out.with_name(f".{out.name}.jsonl")
    with score_lines(path, *about, resume=done is not None) as lines:
        if done is not None:
            done |= lines.done
        yield lines.write
    if form == "parquet":
        with writing_to(out.parent), _whole(out) as draft:
            _parquet_of_lines(path, draft)
        path.unlink()


def _parquet_of_lines(path: Path, out: Path) -> None:
    """Write a file of lines (`score_lines`) as Parquet, a part at a time."""
    schema = arrow_schema(SCREEN_COLUMNS)
    with pq.ParquetWriter(out, schema) as writer:
        lines = read_lines(path)
        while rows := list(islice(lines, _GROUP)):
            writer.write_table(pa.Table.from_pylist([flat_score(row) for row in rows], schema))


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
