"""The command `screen`: scores of every study, told as they come and never held all together."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from radseek.cli.console import number, print_json_rows, print_notice, print_remarks, print_skipped, print_table
from radseek.cli.open_engine import open_engine
from radseek.cli.options import Json, Modality, Model, OptionalIndex, TargetPath, Workers
from radseek.cli.score_files import WriteScores, writing_scores
from radseek.cli.target_studies import refuse_nothing, studies_of
from radseek.prompts import find, list_sets
from radseek.retrieval.disk_errors import temporary_folder, using_temporary_folder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.language.spelling import spelling_of_findings
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.screening import Findings, choose_findings
from radseek.retrieval.types import Skipped

__all__ = ["screen"]

_SETS = ", ".join(list_sets())
_PAGE = 200  # rows of a table that are printed together


class Format(StrEnum):
    """How scores are written."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"


def screen(
    target: TargetPath,
    findings: Annotated[str | None, typer.Option(help=f"A finding set: {_SETS}; or a TOML file.")] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="A finding in words, English or Chinese; repeatable.")
    ] = None,
    index: OptionalIndex = None,
    model: Model = None,
    modality: Modality = None,
    output: Annotated[Format, typer.Option("--format", help="table, csv or parquet.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write the scores to this file.")] = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Score findings in every study of TARGET: no training, any words."""
    if (findings is None) == (not finding):
        raise UsageError(f"Say what to look for: --findings SET ({_SETS}) or --finding TEXT.")
    if output is Format.PARQUET and out is None:
        raise UsageError("Parquet is a binary format; say where it goes with --out FILE.")
    asked: Findings = findings if findings is not None else [find(words) for words in finding or []]
    chosen, version = choose_findings(asked)
    skipped: list[Skipped] = []
    with open_engine(target, index, model) as engine, ExitStack() as outputs:
        about = ScreenResult(engine.encoder.spec, version, (), (), spelling_of_findings(chosen))
        print_remarks((), about.suggestions)
        writers: list[WriteScores] = []
        if out is not None or output is not Format.TABLE:
            form = output.value if output is not Format.TABLE else None
            writers.append(outputs.enter_context(writing_scores(form, out, about.encoder.name, version)))
        if json:
            writers.append(outputs.enter_context(_json(about, skipped)))
        elif output is Format.TABLE:
            writers.append(outputs.enter_context(_table(about)))
        answered = False
        for rows in _rows(engine, target, asked, modality, workers, skipped):
            answered = True
            for write in writers:
                write(rows)
    if answered and output is Format.TABLE and not json:
        print_skipped(skipped)
        print_notice(meaningless=about.encoder.meaningless)
    refuse_nothing(answered, skipped, target)


def _rows(
    engine: Engine, target: str, asked: Findings, modality: str | None, workers: int | None, skipped: list[Skipped]
) -> Iterator[list[FindingScore]]:
    """Yield each study's rows."""
    for study in studies_of(engine, target, modality, workers, skipped):
        yield list(engine.iter_screen(study, asked, modality=modality))


@contextmanager
def _json(about: ScreenResult, skipped: list[Skipped]) -> Iterator[WriteScores]:
    """Give what keeps rows on disk; at the end they are printed as one document, which first says what was skipped."""
    with using_temporary_folder(temporary_folder()), TemporaryFile("w+", encoding="utf-8") as kept:

        def write(rows: Sequence[FindingScore]) -> None:
            kept.writelines(json_text.dumps(row.to_dict()) + "\n" for row in rows)

        yield write
        has_rows = kept.tell() > 0
        kept.seek(0)
        if has_rows or skipped:
            version = about.findings_version if has_rows else ""
            whole = ScreenResult(about.encoder, version, (), tuple(skipped), about.suggestions)
            print_json_rows(whole.to_dict(), "results", (json_text.loads(line) for line in kept))


@contextmanager
def _table(about: ScreenResult) -> Iterator[WriteScores]:
    """Give what prints rows, a page at a time; the columns of the first page keep their widths."""
    waiting: list[list[object]] = []
    title = f"Findings {about.findings_version}"

    def tell() -> None:
        nonlocal title
        columns = ["study", "finding", "state", "prob", "score", "margin, 10-90 %", "pct", "key slice"]
        print_table(title, columns, waiting)
        title = ""
        waiting.clear()

    def write(rows: Sequence[FindingScore]) -> None:
        waiting.extend(_cells(row) for row in rows)
        if len(waiting) >= _PAGE:
            tell()

    yield write
    if waiting:
        tell()


def _cells(row: FindingScore) -> list[object]:
    return [
        row.path or row.study,
        row.finding,
        _state(row),
        number(row.probability, 2),
        number(row.score),
        "-" if row.interval is None else f"{row.interval[0]:+.3f} .. {row.interval[1]:+.3f}",
        number(row.percentile, 0),
        _place(row),
    ]


def _state(row: FindingScore) -> str:
    """Return the state with its reason, and whether the words were not distinguished from others."""
    why = [*([] if row.reason is None else [row.reason]), *(["not_told_apart"] if row.not_told_apart else [])]
    return f"{row.state} ({', '.join(why)})" if why else row.state


def _place(row: FindingScore) -> str:
    """Return the view and key slice; a slice that does not stand out is in brackets."""
    if row.view is None:
        return "-"
    return f"{row.view} (z={row.key_slice}, flat)" if row.stands_out is False else f"{row.view} z={row.key_slice}"
