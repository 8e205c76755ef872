"""The commands that ask: screen, classify, similar, search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from index_builder import embed_sources
from prompts import find, list_sets
from radseek.console import number, print_json, print_notice, print_remarks, print_skipped, print_table
from radseek.opening import open_engine
from radseek.options import Count, Json, Modality, Model, OptionalIndex, TargetPath, WhereFilters, Workers, WrittenIndex
from radseek.similar_tables import print_similar
from radseek.writing import write_scores
from retrieval.engine import Engine
from retrieval.errors import InputError, UsageError
from retrieval.index.keys import StudyKey, stored_key
from retrieval.index.manifest import is_index
from retrieval.results import ClassifyResult, FindingScore, ScreenResult, SimilarResult
from retrieval.spelling import spelling_of_findings
from retrieval.study_vectors import StudyVectors
from retrieval.types import Skipped

__all__ = ["classify", "screen", "search", "similar"]


SETS = ", ".join(list_sets())


class Format(StrEnum):
    """How scores are written."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"


class Within(StrEnum):
    """What a search looks through."""

    IMAGES = "images"
    REPORTS = "reports"
    BOTH = "both"


def screen(
    target: TargetPath,
    findings: Annotated[str | None, typer.Option(help=f"A finding set: {SETS}; or a TOML file.")] = None,
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
        raise UsageError(f"Say what to look for: --findings SET ({SETS}) or --finding TEXT.")
    if output is Format.PARQUET and out is None:
        raise UsageError("Parquet is a binary format; say where it goes with --out FILE.")
    asked = findings if findings is not None else [find(words) for words in finding or []]
    with open_engine(target, index, model) as engine:
        skipped: list[Skipped] = []
        answers = [
            engine.screen(study, asked, modality=modality)
            for study in _targets(engine, target, modality, workers, skipped)
        ]
        result = ScreenResult(
            engine.encoder.spec,
            answers[0].findings_version if answers else "",
            tuple(row for answer in answers for row in answer.results),
            tuple(skipped),
            spelling_of_findings(asked if isinstance(asked, list) else ()),
        )
    print_remarks((), result.suggestions)
    if out is not None or output is not Format.TABLE:
        write_scores(result, output.value if output is not Format.TABLE else None, out)
    if json and (answers or skipped):
        print_json(result.to_json())
    elif answers and output is Format.TABLE:
        _screen_table(result)
    _refuse_nothing(bool(answers), skipped, target)


def classify(
    target: TargetPath,
    label: Annotated[list[str], typer.Option(help="A label, in a sentence; give at least two.")],
    model: Model = None,
    modality: Modality = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Share one between labels that exclude each other, for every study of TARGET."""
    with open_engine(target, None, model) as engine:
        skipped: list[Skipped] = []
        answers = [
            engine.classify(study, label, modality=modality)
            for study in _targets(engine, target, modality, workers, skipped)
        ]
        rows = tuple(row for answer in answers for row in answer.results)
        result = ClassifyResult(engine.encoder.spec, rows, tuple(skipped))
    if json and (answers or skipped):
        print_json(result.to_json())
    _refuse_nothing(bool(answers), skipped, target)
    if json:
        return
    lines = [[row.path or row.study, *(number(la.probability) for la in row.labels)] for row in result.results]
    print_table("Labels (not calibrated)", ["study", *label], lines)
    print_skipped(result.skipped)
    print_notice(meaningless=result.encoder.meaningless)


def similar(
    target: TargetPath,
    index: WrittenIndex,
    k: Count = 10,
    where: WhereFilters = None,
    text: Annotated[str | None, typer.Option(help='Words that the cases should match too: "with effusion".')] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Ask with the region that this mask marks: DICOM SEG or NIfTI labels.")
    ] = None,
    mask_label: Annotated[
        list[str] | None, typer.Option(help="Which of the mask's labels; repeatable, several are asked as one.")
    ] = None,
    contrast: Annotated[
        str | None, typer.Option(help="A finding: also the nearest cases with it and the nearest without.")
    ] = None,
    same_patient: Annotated[bool, typer.Option(help="Keep the query's own patient among the answers.")] = False,
    model: Model = None,
    modality: Modality = None,
    json: Json = False,
) -> None:
    """Find the earlier cases most like the study at TARGET, or like a masked region of it, and their reports."""
    if mask_label and mask is None:
        raise UsageError("--mask-label names a label of a mask; give the mask too, with --mask FILE.")
    with Engine.open(index, model, isolated=True) as engine:
        skipped: list[Skipped] = []
        result = engine.similar(
            _only(engine, target, modality, skipped, json=json) if mask is None else _with_pixels(engine, target),
            k,
            where=where or (),
            text=text,
            mask=mask,
            mask_labels=mask_label or (),
            contrast=contrast,
            include_same_patient=same_patient,
            modality=modality,
        )
    print_remarks(result.notes, result.suggestions)
    if json:
        print_json(result.to_json())
        return
    print_similar(result, target)
    print_skipped(skipped)
    print_notice(meaningless=result.encoder.meaningless)


def search(
    text: Annotated[str, typer.Argument(help='A sentence, or "a" + "b" - "c"; English or Chinese.')],
    index: WrittenIndex,
    within: Annotated[Within, typer.Option("--in", help="images, reports or both.")] = Within.BOTH,
    k: Count = 10,
    where: WhereFilters = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Find studies and report sentences in words."""
    with Engine.open(index, model, isolated=True) as engine:
        result = engine.search(text, k, where=where or (), within=within.value)
    print_remarks(result.notes, result.suggestions)
    if json:
        print_json(result.to_json())
        return
    if within is not Within.REPORTS:
        studies = [
            [s.rank, s.path or s.study, number(s.score), f"{s.view} z={s.key_slice}", "" if s.is_read else "no"]
            for s in result.studies
        ]
        print_table("Studies, by their best slice", ["", "study", "score", "best slice", "read there"], studies)
    if within is not Within.IMAGES:
        sentences = [[s.rank, s.path or s.study, s.polarity or "", s.text] for s in result.sentences]
        print_table("Report sentences", ["", "study", "says", "sentence"], sentences)
    print_notice(meaningless=result.encoder.meaningless)


def _targets(
    engine: Engine, target: str, modality: str | None, workers: int | None, skipped: list[Skipped]
) -> Iterator[StudyVectors | str]:
    """Yield a target's studies, read in workers under a limit; stored ones by their key."""
    if stored_key(target) is not None:
        yield target
    elif is_index(Path(target)) and engine.store is not None:
        yield from (StudyKey(case.key) for case in engine.store.cases())
    else:
        sources = [Path(target)]
        yield from embed_sources(sources, engine.encoder, skip=skipped.extend, modality=modality, workers=workers)


def _only(
    engine: Engine, target: str, modality: str | None, skipped: list[Skipped], *, json: bool
) -> StudyVectors | str:
    """Return the one study at a target."""
    studies = list(_targets(engine, target, modality, None, skipped))
    if json and skipped and not studies:
        print_json(SimilarResult(engine.encoder.spec, {"path": target}, ()).to_json())
    _refuse_nothing(bool(studies), skipped, target)
    if len(studies) > 1:
        raise UsageError(f"{target} holds {len(studies)} studies and similar asks about one; name one of them.")
    return studies[0]


def _with_pixels(engine: Engine, target: str) -> str:
    """Return a target that can be read with its pixels, which a mask needs and no index keeps."""
    if is_index(Path(target)) and engine.store is not None:
        raise UsageError(f"{target} is an index, and a mask needs the images; give the path of the study's files.")
    return target


def _refuse_nothing(answered: bool, skipped: Sequence[Skipped], target: str) -> None:
    if answered:
        return
    if not skipped:
        raise UsageError(f"{target} holds no study; give DICOM, NIfTI, PNG or JPEG files.")
    first = skipped[0]
    message = f"none of {len(skipped)} inputs can be used; the first: {first.path}: {first.message}"
    raise InputError(first.reason_code, message, path=first.path)


def _state(row: FindingScore) -> str:
    """Return the state with its reason, and whether the words were not told from others."""
    why = [*([] if row.reason is None else [row.reason]), *(["not_told_apart"] if row.not_told_apart else [])]
    return f"{row.state} ({', '.join(why)})" if why else row.state


def _place(row: FindingScore) -> str:
    """Return the view and key slice; a slice that does not stand out is in brackets."""
    if row.view is None:
        return "-"
    return f"{row.view} (z={row.key_slice}, flat)" if row.stands_out is False else f"{row.view} z={row.key_slice}"


def _screen_table(result: ScreenResult) -> None:
    rows = [
        [
            row.path or row.study,
            row.finding,
            _state(row),
            number(row.probability, 2),
            number(row.score),
            "-" if row.interval is None else f"{row.interval[0]:+.3f} .. {row.interval[1]:+.3f}",
            number(row.percentile, 0),
            _place(row),
        ]
        for row in result.results
    ]
    columns = ["study", "finding", "state", "prob", "score", "margin, 10-90 %", "pct", "key slice"]
    print_table(f"Findings {result.findings_version}", columns, rows)
    print_skipped(result.skipped)
    print_notice(meaningless=result.encoder.meaningless)
