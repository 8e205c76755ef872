"""The command that measures an index against labels: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseek.cli.console import errors, print_json, print_notice, print_table, progress
from radseek.cli.options import Json, LabelFindings, LabelsFile, LabelTexts, StudyColumn, UncertainLabels
from radseek.cli.labelled_index import labelled_index
from radseek.prompts import find
from radseek.retrieval.errors import UsageError

if TYPE_CHECKING:
    from radseek.retrieval.evaluation.estimate import Estimate
    from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation

__all__ = ["evaluate"]


def evaluate(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: LabelsFile,
    findings: LabelFindings = None,
    finding: LabelTexts = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Audit groups: sex, age, site, vendor, a column of the labels; sex,age crosses. Repeatable."),
    ] = None,
    uncertain: UncertainLabels = "ignore",
    study_column: StudyColumn = None,
    out: Annotated[
        Path | None, typer.Option(help="Write evaluation.html, .json and .csv, and the checklist, into this folder.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Resamples of patients, for intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    json: Json = False,
) -> None:
    """Measure an index's zero-shot scores, and its retrieval, against labels."""
    from radseek.retrieval.evaluation.archive_retrieval import archive_retrieval
    from radseek.retrieval.evaluation.audit_columns import audit_columns
    from radseek.retrieval.evaluation.index_evaluation import evaluate_index
    from radseek.retrieval.scoring.text_vectors import TextVectors

    if findings is not None and finding:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    asked = [find(words) for words in finding] if finding else findings
    with labelled_index(index, labels, asked, uncertain=uncertain, study_column=study_column) as opened, progress() as update:
        update("measure", 0, None)
        evaluation = evaluate_index(
            opened.store,
            TextVectors(opened.engine.encoder),
            opened.table,
            by=audit_columns(opened.store, opened.table, by or None),
            retrieval=archive_retrieval(opened.store, opened.table, repeats=repeats, seed=seed),
            about=opened.about,
            repeats=repeats,
            seed=seed,
        )
        if out is not None:
            _write(evaluation, opened.engine, index, out, update)
    if json:
        print_json(evaluation.to_dict())
        return
    for line in opened.report.lines():
        errors.print(line, markup=False, soft_wrap=True)
    _summary(evaluation)
    if out is not None:
        errors.print(f"Written: {out / 'evaluation.html'} and the same as .json and .csv.", markup=False, soft_wrap=True)
