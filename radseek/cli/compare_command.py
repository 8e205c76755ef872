"""The command that sets encoders side by side over one labelled folder: compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radseek.cli.asked_labels import asked_of
from radseek.cli.console import errors, number, print_json, print_notice, print_table, progress
from radseek.cli.options import (
    BodyPart,
    Json,
    LabelFindings,
    LabelsFile,
    LabelStudyColumn,
    LabelTexts,
    Modality,
    UncertainLabel,
    UncertainLabels,
    Workers,
)
from radseek.retrieval.path_text import printable

if TYPE_CHECKING:
    from radseek.index_builder.comparison.compare_models import ComparedModel, ModelComparison

__all__ = ["compare"]


def compare(
    sources: Annotated[list[Path], typer.Argument(help="The labelled folder, or several.")],
    models: Annotated[str, typer.Option(help="Encoders, separated by commas; the first is what others are held to.")],
    labels: LabelsFile,
    out: Annotated[Path, typer.Option(help="Where their indexes are kept, and comparison.json and .csv written.")],
    findings: LabelFindings = None,
    finding: LabelTexts = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    metadata: Annotated[Path | None, typer.Option(help="As for build.")] = None,
    uncertain: UncertainLabels = UncertainLabel.IGNORE,
    study_column: LabelStudyColumn = None,
    workers: Workers = None,
    repeats: Annotated[int, typer.Option(min=1, help="Resamples of patients, for intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    json: Json = False,
) -> None:
    """Build an index with each encoder and compare their scores on the same labelled studies, with time and memory."""
    from radseek.index_builder.comparison.compare_models import compare_models
    from radseek.index_builder.labels.label_file import read_labels
    from radseek.retrieval.disk_errors import writing_to

    asked = asked_of(findings, finding)
    file = read_labels(labels, uncertain=uncertain.value, findings=asked or (), study_column=study_column)
    settings: dict[str, Any] = {"modality": modality, "body_part": body_part, "metadata": metadata, "workers": workers}
    named = [name.strip() for name in models.split(",") if name.strip()]
    with writing_to(out.parent):
        out.mkdir(parents=True, exist_ok=True)
    with progress() as update:
        found = compare_models(
            sources, named, file, out, settings=settings, repeats=repeats, seed=seed, progress=update
        )
    with writing_to(out):
        found.to_json(out / "comparison.json")
        found.to_csv(out / "comparison.csv")
    if json:
        print_json(found.to_dict())
        return
    _print(found)
    errors.print(printable(f"Written: {out / 'comparison.json'}, and the same as .csv."), markup=False, soft_wrap=True)
    print_notice(meaningless=any(one.encoder.meaningless for one in found))


def _print(found: ModelComparison) -> None:
    title = f"{found.studies} studies, {found.patients} patients; differences from {found.models[0].model}"
    columns = ["finding", "encoder", "AUROC [95 %]", "difference [95 %]", "p", "p, Holm"]
    rows = [row for place in range(len(found.findings)) for model in found for row in [_row(found, model, place)]]
    print_table(title, columns, rows)
    costs = [
        [
            one.model,
            "-" if one.macro is None else str(one.macro.auroc),
            number(one.build.seconds, 1),
            number(one.build.slices_per_second, 1),
            number(one.build.peak_mib, 0),
            one.build.skipped,
        ]
        for one in found
    ]
    print_table("Encoders", ["encoder", "macro AUROC", "build s", "slices / s", "peak MiB", "skipped"], costs)


def _row(found: ModelComparison, model: ComparedModel, place: int) -> list[str]:
    one, other = model.measures[place], model.against_first[place] if model.against_first else None
    return [
        found.findings[place],
        model.model,
        "not both answers" if one is None else str(one.auroc),
        "-" if other is None else str(other.difference),
        "-" if other is None else number(other.p, 4),
        "-" if other is None else number(other.adjusted, 4),
    ]
