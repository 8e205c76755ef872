"""The command `screen`: scores of every study, stated as they come and never held all together."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from radseek.cli.console import errors, print_json_rows, print_notice, print_remarks, print_skipped, progress
from radseek.cli.open_engine import index_of, open_engine
from radseek.cli.options import (
    BatchSize,
    BodyPart,
    Device,
    Json,
    Modality,
    Model,
    OptionalIndex,
    Precision,
    TargetPath,
    WhereFilters,
    Workers,
)
from radseek.cli.ranked_scores import highest_alone
from radseek.cli.score_files import WriteScores, writing_scores
from radseek.cli.score_table import score_table
from radseek.cli.target_studies import refuse_nothing, studies_of
from radseek.prompts import list_sets
from radseek.retrieval.disk_errors import temporary_folder, using_temporary_folder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Scope
from radseek.retrieval.language.spelling import spelling_of_findings
from radseek.retrieval.path_text import printable
from radseek.retrieval.scoring.asked_findings import AskedFindings
from radseek.retrieval.scoring.probe_files import asked_finding
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.screening import Findings
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search.filter_check import checked_where, what_is_left
from radseek.retrieval.types import Skipped

__all__ = ["screen"]

_SETS = ", ".join(list_sets())


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
    literal: Annotated[
        bool, typer.Option("--literal", help="Take the words of --finding as they are, also where they are a synonym.")
    ] = False,
    index: OptionalIndex = None,
    where: WhereFilters = None,
    top: Annotated[int | None, typer.Option(min=1, help="Of each finding only so many: the highest scores.")] = None,
    model: Model = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    output: Annotated[
        Format,
        typer.Option(
            "--format",
            help="table, csv, jsonl or parquet. A table is sorted by finding and score, the others as studies are "
            "read, but with --top.",
        ),
    ] = Format.TABLE,
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
    _check(target, findings, finding, literal=literal, where=where, top=top, output=output, out=out, resume=resume)
    asked: Findings | None = (
        [asked_finding(words, index_of(target, index), literal=literal) for words in finding] if finding else findings
    )
    chosen = AskedFindings(asked)
    version, done = chosen.version, set[str]() if resume else None
    stated = stated_kind(modality, body_part)
    skipped: list[Skipped] = []
    notes: list[str] = []
    unfitted: list[str] = []
    with ExitStack() as outputs:
        opening = open_engine(target, index, model, device=device, precision=precision, batch_size=batch_size)
        engine = outputs.enter_context(opening)
        chosen.require_read_by(TextVectors(engine.encoder))
        scope = _scope(engine, where)
        about = ScreenResult(engine.encoder.spec, version, (), (), spelling_of_findings(chosen.every))
        print_remarks((), about.suggestions)
        streams: list[AbstractContextManager[WriteScores]] = []
        if out is not None or output is not Format.TABLE:
            form = output.value if output is not Format.TABLE else None
            streams.append(writing_scores(form, out, about.encoder.name, version, done))
        if json:
            streams.append(_json(about, skipped))
        writers = [outputs.enter_context(one) for one in streams]
        if top is not None:
            writers = [outputs.enter_context(highest_alone(write, chosen.every, top)) for write in writers]
        if not json and output is Format.TABLE:
            writers.append(outputs.enter_context(score_table(version, chosen.every, top)))
        answered = bool(done)
        update = outputs.enter_context(progress())
        total = engine.store.passing(scope) if engine.store is not None and is_index(Path(target)) else None
        studies = studies_of(engine, target, stated, workers, skipped, notes, done or frozenset(), scope)
        for count, study in enumerate(studies, 1 + len(done or ())):
            rows = list(engine.iter_screen(study, asked))
            update("screen", count, total)
            unfitted += [] if rows else [study if isinstance(study, str) else study.path or study.key]
            answered = answered or bool(rows)
            for write in writers:
                write(rows)
    print_remarks(notes, ())
    if unfitted:
        _say_unfitted(unfitted, answered=answered)
    if answered and output is Format.TABLE and not json:
        print_skipped(skipped)
        print_notice(meaningless=about.encoder.meaningless)
    refuse_nothing(answered, skipped, target)


def _check(
    target: str,
    findings: str | None,
    finding: Sequence[str] | None,
    *,
    literal: bool,
    where: Sequence[str] | None,
    top: int | None,
    output: Format,
    out: Path | None,
    resume: bool,
) -> None:
    """Raise `UsageError` for options that do not go together."""
    if findings is not None and finding:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    if literal and not finding:
        raise UsageError("--literal is about words; give them with --finding TEXT.")
    if where and not is_index(Path(target)):
        raise UsageError(f"--where filters the studies of an index, and {target} is none; leave it out, or build one.")
    if top is not None and resume:
        raise UsageError("--top needs the scores of the whole run, and --resume goes on with a part; leave out one.")
    if output is Format.PARQUET and out is None:
        raise UsageError("Parquet is a binary format; say where it goes with --out FILE.")


def _scope(engine: Engine, where: Sequence[str] | None) -> Scope:
    """Return which studies of the index are meant. Raises `UsageError` where a filter leaves none."""
    if not where or engine.store is None:
        return Scope()
    scope = Scope(checked_where(where, engine.store))
    if left := what_is_left(scope, engine.store):
        raise UsageError(" ".join(left))
    return scope


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
