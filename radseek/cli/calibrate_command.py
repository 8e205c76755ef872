"""The command that calibrates an index's scores on its user's labels: calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radseek.cli.asked_labels import asked_of
from radseek.cli.console import errors, number, print_json, print_lines, print_notice, print_table
from radseek.cli.options import (
    Json,
    LabelFindings,
    LabelsFile,
    LabelStudyColumn,
    LabelTexts,
    LabelWhere,
    Model,
    UncertainLabel,
    UncertainLabels,
)
from radseek.retrieval.path_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from radseek.index_builder.labels.label_join import JoinReport
    from radseek.retrieval.evaluation.calibrate_index import CalibrationReport
    from radseek.retrieval.evaluation.calibration_fit import FittedRow

__all__ = ["calibrate"]


def calibrate(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: LabelsFile,
    findings: LabelFindings = None,
    finding: LabelTexts = None,
    coverage: Annotated[
        float, typer.Option(help="Of the studies with a finding, the share not called absent; and the other way round.")
    ] = 0.9,
    sensitivity: Annotated[float | None, typer.Option(help="Also keep a threshold that reaches this share.")] = None,
    specificity: Annotated[float | None, typer.Option(help="Also keep a threshold that reaches this share.")] = None,
    uncertain: UncertainLabels = UncertainLabel.IGNORE,
    study_column: LabelStudyColumn = None,
    where: LabelWhere = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Fit probabilities and states to labels of an index's studies, and keep them in it: `screen` then uses them."""
    from radseek.index_builder.labels.labelled_index import labelled_index
    from radseek.retrieval.evaluation.calibrate_index import calibrate_index
    from radseek.retrieval.evaluation.calibration_fit import Aims

    aims = Aims(coverage, sensitivity, specificity)
    reading: Any = {"uncertain": uncertain.value, "study_column": study_column, "where": where, "model": model}
    with labelled_index(index, labels, asked_of(findings, finding), **reading) as opened:
        report = calibrate_index(opened.store, opened.encoder, opened.table, aims)
    if json:
        print_json({**report.to_dict(), "labels": opened.report.to_dict()})
    else:
        _print(report, opened.report)


def _print(report: CalibrationReport, joined: JoinReport) -> None:
    fitted = [row for row in report.rows if row.to_dict()["method"] is not None]
    title = f"{report.fitted} of {len(report.rows)} fitted; checked on a quarter of the patients, which fitted nothing"
    columns = ["finding", "views", "slices", "of", "present", "method", "AUROC", "ECE before", "after", "absent to"]
    columns += ["present from", "covered: absent, present", "called"]
    lines = [_line(row) for row in fitted]
    if lines:
        print_table(title, columns, lines)
    else:
        print_lines(title, [])
    points = [line for row in fitted for line in _points(row)]
    if points:
        columns = ["finding", "views", "rule", "from", "sens.", "spec."]
        print_table("Operating points, as on the check part", columns, points)
    for sentence in (*joined.lines(), *_why_not(report), *_alike(fitted)):
        errors.print(printable(sentence), markup=False, soft_wrap=True)
    print_notice(meaningless=report.encoder.meaningless)


def _line(row: FittedRow) -> list[str]:
    one = row.to_dict()
    check, conformal = one["check"], one["conformal"]
    return [
        *_about(row),
        f"{one['present']} of {one['studies']}",
        one["method"],
        number(check["auroc"]),
        number(check["ece_before"]),
        number(check["ece"]),
        number(conformal["absent_to"]),
        number(conformal["present_from"]),
        f"{number(check['absent_covered'], 2)}, {number(check['present_covered'], 2)}",
        number(check["decided"], 2),
    ]


def _about(row: FittedRow) -> list[str]:
    return [row.finding, row.kind.view_class, "many" if row.kind.many else "one", row.kind.fitted_on]


def _points(row: FittedRow) -> Iterator[list[str]]:
    for one in row.to_dict()["operating_points"]:
        rule = one["rule"] if one["target"] is None else f"{one['rule']} {one['target']:g}"
        shares = (number(one["threshold"]), number(one["sensitivity"], 2), number(one["specificity"], 2))
        yield [row.finding, row.kind.view_class, rule, *shares]


def _why_not(report: CalibrationReport) -> Iterator[str]:
    """Yield why findings were not fitted, and what of their labels could not be used."""
    for row in report.rows:
        message = row.to_dict()["message"]
        if message is not None:
            yield f"{' '.join(_about(row))}: not fitted: {message}."
    reached = {row.finding for row in report.rows}
    for one in report.left_out:
        if one.no_view + one.unknown_modality or one.finding not in reached:
            yield (
                f"{one.finding}: of {one.labels} labels {one.no_view} are of studies without a view that shows it, "
                f"{one.unknown_modality} of studies whose modality nobody said (`radseek build --modality`)."
            )


def _alike(fitted: Sequence[FittedRow]) -> Iterator[str]:
    alike = [row.finding for row in fitted if row.not_told_apart]
    if alike:
        yield (
            f"Meaningless words order these studies as {', '.join(alike)} do (not_told_apart): the probability is of "
            "the label among studies like these, and a study with another finding may get the same."
        )
