"""The commands that ask: classify, similar, search."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from radseek.cli.asked_indexes import ask_indexes, is_many, place
from radseek.cli.asked_order import asked_order, print_facets
from radseek.cli.console import (
    number,
    numbers_apart,
    print_json,
    print_notice,
    print_remarks,
    print_skipped,
    print_table,
    slice_number,
)
from radseek.cli.open_engine import open_engine
from radseek.cli.options import (
    AskedIndexes,
    BodyPart,
    Count,
    FacetFields,
    Json,
    Milvus,
    Modality,
    Model,
    SiteTokens,
    SortField,
    TargetPath,
    WhereFilters,
    Workers,
)
from radseek.cli.sentence_table import print_sentences
from radseek.cli.similar_tables import print_similar
from radseek.cli.target_studies import only_study, refuse_nothing, refuse_second, studies_of
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.scoring.score_results import ClassifyResult
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.search.sorting import SIMILARITY
from radseek.retrieval.types import Skipped

__all__ = ["classify", "search", "similar"]


class Within(StrEnum):
    """What a search looks through."""

    IMAGES = "images"
    REPORTS = "reports"
    BOTH = "both"


def classify(
    target: TargetPath,
    label: Annotated[list[str], typer.Option(help="A label, in a sentence; give at least two.")],
    model: Model = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Share one between labels that exclude each other, for every study of TARGET."""
    stated = stated_kind(modality, body_part)
    with open_engine(target, None, model) as engine:
        skipped: list[Skipped] = []
        notes: list[str] = []
        answers = [
            engine.classify(study, label) for study in studies_of(engine, target, stated, workers, skipped, notes)
        ]
        rows = tuple(row for answer in answers for row in answer.results)
        result = ClassifyResult(engine.encoder.spec, rows, tuple(skipped))
    print_remarks(notes, ())
    if json and (answers or skipped):
        print_json(result.to_dict())
    refuse_nothing(bool(answers), skipped, target)
    if json:
        return
    lines = [[row.path or row.study, *(number(la.probability) for la in row.labels)] for row in result.results]
    print_table("Labels (not calibrated)", ["study", *label], lines)
    print_skipped(result.skipped)
    print_notice(meaningless=result.encoder.meaningless)


def similar(
    target: TargetPath,
    index: AskedIndexes,
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
    include_same_patient: Annotated[
        bool,
        typer.Option(
            "--include-same-patient", "--same-patient", help="Keep the query's own patient among the answers."
        ),
    ] = False,
    sort: SortField = SIMILARITY,
    facet: FacetFields = None,
    model: Model = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    site_tokens: SiteTokens = None,
    milvus: Milvus = None,
    json: Json = False,
) -> None:
    """Find the earlier cases most like the study at TARGET, or like a masked region of it, and their reports."""
    if mask_label and mask is None:
        raise UsageError("--mask-label names a label of a mask; give the mask too, with --mask FILE.")
    stated = stated_kind(modality, body_part)
    if mask is None:
        refuse_second(target)
    if contrast is not None and is_many(index):
        raise UsageError("--contrast asks one index what its reports say; give one --index folder, or leave it out.")
    sides: dict[str, Any] = asked_order(index, sort, facet)
    sides |= {} if contrast is None else {"contrast": contrast}
    with ask_indexes(index, model, site_tokens, milvus) as (engine, asked):
        skipped: list[Skipped] = []
        notes: list[str] = []
        query: StudyVectors | str
        if mask is None:
            query = only_study(engine, target, stated, skipped, notes, json=json)
        else:
            query = _with_pixels(engine, target)
        result = asked.similar(
            query,
            k,
            where=where or (),
            text=text,
            mask=mask,
            mask_labels=mask_label or (),
            include_same_patient=include_same_patient,
            modality=modality if isinstance(query, str) else None,
            body_part=body_part if isinstance(query, str) else None,
            **sides,
        )
    print_remarks((*notes, *result.notes), result.suggestions)
    if json:
        print_json(result.to_dict())
        return
    print_similar(result, target)
    print_facets(result.facets)
    print_skipped(skipped)
    print_notice(meaningless=result.encoder.meaningless)


def search(
    text: Annotated[str, typer.Argument(help='A sentence, or "a" + "b" - "c"; English or Chinese.')],
    index: AskedIndexes,
    within: Annotated[Within, typer.Option("--within", "--in", help="images, reports or both.")] = Within.BOTH,
    k: Count = 10,
    where: WhereFilters = None,
    sort: SortField = SIMILARITY,
    facet: FacetFields = None,
    model: Model = None,
    site_tokens: SiteTokens = None,
    json: Json = False,
) -> None:
    """Find studies and report sentences in words."""
    order = asked_order(index, sort, facet)
    with ask_indexes(index, model, site_tokens) as (_, asked):
        result = asked.search(text, k, where=where or (), within=within.value, **order)
    print_remarks(result.notes, result.suggestions)
    if json:
        print_json(result.to_dict())
        return
    if within is not Within.REPORTS:
        scores = numbers_apart([s.score for s in result.studies])
        studies = [
            [s.rank, place(s), score, f"{s.view} {slice_number(s.key_slice)}", "" if s.is_read else "no"]
            for s, score in zip(result.studies, scores, strict=True)
        ]
        print_table("Studies, by their best slice", ["", "study", "score", "best slice", "read there"], studies)
    if within is not Within.IMAGES:
        print_sentences(result.sentences)
    print_facets(result.facets)
    print_notice(meaningless=result.encoder.meaningless)


def _with_pixels(engine: Engine, target: str) -> str:
    """Return a target that can be read with its pixels, which a mask needs and no index keeps."""
    if is_index(Path(target)) and engine.store is not None:
        raise UsageError(f"{target} is an index, and a mask needs the images; give the path of the study's files.")
    return target
