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

from radseek.cli.console import (
    errors,
    number,
    print_json_rows,
    print_notice,
    print_remarks,
    print_skipped,
    print_table,
    progress,
)
from radseek.cli.open_engine import index_of, open_engine
from radseek.cli.options import BatchSize, Device, Json, Modality, Model, OptionalIndex, Precision, TargetPath, Workers
from radseek.cli.score_files import WriteScores, writing_scores
from radseek.cli.target_studies import refuse_nothing, studies_of
from radseek.prompts import list_sets
from radseek.retrieval.disk_errors import temporary_folder, using_temporary_folder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Scope
from radseek.retrieval.language.spelling import spelling_of_findings
from radseek.retrieval.path_text import printable
from radseek.retrieval.scoring.asked_findings import AskedFindings
from radseek.retrieval.scoring.probe_files import asked_finding
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.screening import Findings
from radseek.retrieval.types import Skipped

__all__ = ["screen"]

_SETS = ", ".join(list_sets())
_PAGE = 200  # rows of a table that are printed together


class Format(StrEnum):
    """How scores are written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def screen(
    target: TargetPath,
    findings: Annotated[
        str | None, typer.Option(help=f"A finding set: {_SETS}; or a TOML file. Without: what fits each study.")
    ] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="A finding in words, English or Chinese, or probe:NAME; repeatable.")
    ] = None,
    index: OptionalIndex = None,
    model: Model = None,
    modality: Modality = None,
    output: Annotated[Format, typer.Option("--format", help="table, csv, jsonl or parquet.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write the scores to this file.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the .jsonl or .parquet file of an interrupted run.")
    ] = False,
    device: Device = None,
    precision: Precision = None,
    batch_size: BatchSize = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Score findings in every study of TARGET: no training, any words."""
    if findings is not None and finding:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    if output is Format.PARQUET and out is None:
        raise UsageError("Parquet is a binary format; say where it goes with --out FILE.")
    asked: Findings | None = (
        [asked_finding(words, index_of(target, index)) for words in finding] if finding else findings
    )
    chosen = AskedFindings(asked)
    version, done = chosen.version, set[str]() if resume else None
    skipped: list[Skipped] = []
    unfitted: list[str] = []
    with ExitStack() as outputs:
        opening = open_engine(target, index, model, device=device, precision=precision, batch_size=batch_size)
        engine = outputs.enter_context(opening)
        about = ScreenResult(engine.encoder.spec, version, (), (), spelling_of_findings(chosen.every))
        print_remarks((), about.suggestions)
        writers: list[WriteScores] = []
        if out is not None or output is not Format.TABLE:
            form = output.value if output is not Format.TABLE else None
            writers.append(outputs.enter_context(writing_scores(form, out, about.encoder.name, version, done)))
        if json:
            writers.append(outputs.enter_context(_json(about, skipped)))
        elif output is Format.TABLE:
            writers.append(outputs.enter_context(_table(about)))
        answered = bool(done)
        update = outputs.enter_context(progress())
        total = engine.store.passing(Scope()) if engine.store is not None and is_index(Path(target)) else None
        studies = studies_of(engine, target, modality, workers, skipped, done or frozenset())
        for count, study in enumerate(studies, 1 + len(done or ())):
            rows = list(engine.iter_screen(study, asked, modality=modality))
            update("screen", count, total)
            unfitted += [] if rows else [study if isinstance(study, str) else study.path or study.key]
            answered = answered or bool(rows)
            for write in writers:
                write(rows)
    if unfitted:
        _say_unfitted(unfitted, answered=answered)
    if answered and output is Format.TABLE and not json:
        print_skipped(skipped)
        print_notice(meaningless=about.encoder.meaningless)
    refuse_nothing(answered, skipped, target)


def _say_unfitted(unfitted: Sequence[str], *, answered: bool) -> None:
    """Say which studies no shipped set fits. Raises `UsageError` where that is all of them."""
    said = f"No shipped set of findings fits {unfitted[0]}" + (f" and {len(unfitted) - 1} more" * (len(unfitted) > 1))
    if not answered:
        raise UsageError(f"{said}; say what to look for: --findings SET ({_SETS}) or --finding TEXT.")
    errors.print(printable(f"{said}; they have no row."), markup=False, soft_wrap=True)


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
