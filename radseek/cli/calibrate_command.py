"""The command that calibrates an index's scores on its user's labels: calibrate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseek.cli.console import errors, number, print_json, print_notice, print_table
from radseek.cli.options import Json
from radseek.prompts import find, list_sets
from radseek.retrieval.errors import UsageError
from radseek.retrieval.path_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from radseek.index_builder.labels.label_join import JoinedLabels
    from radseek.prompts.finding import Finding
    from radseek.retrieval.evaluation.calibrate_index import CalibrationReport
    from radseek.retrieval.evaluation.calibration_fit import FittedRow
    from radseek.retrieval.evaluation.label_table import LabelTable

__all__ = ["calibrate"]

_SETS = ", ".join(list_sets())


class UncertainLabel(StrEnum):
    """What an uncertain label counts as."""

    IGNORE = "ignore"
    PRESENT = "present"
    ABSENT = "absent"


def calibrate(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: Annotated[
        Path, typer.Option(help="CSV, JSONL or Parquet: study, finding, label; or a column a finding. 1, 0, -1.")
    ],
    findings: Annotated[
        str | None, typer.Option(help=f"Of the labels, the findings of a set: {_SETS}; or a TOML file. Without: all.")
    ] = None,
    finding: Annotated[list[str] | None, typer.Option(help="Of the labels, this finding; repeatable.")] = None,
    coverage: Annotated[
        float, typer.Option(help="Of the studies with a finding, the share not called absent; and the other way round.")
    ] = 0.9,
    sensitivity: Annotated[float | None, typer.Option(help="Also keep a threshold that reaches this share.")] = None,
    specificity: Annotated[float | None, typer.Option(help="Also keep a threshold that reaches this share.")] = None,
    uncertain: Annotated[
        UncertainLabel, typer.Option(help="What -1 counts as: ignore, present or absent.")
    ] = UncertainLabel.IGNORE,
    json: Json = False,
) -> None:
    """Fit probabilities and states to labels of an index's studies, and keep them in it: `screen` then uses them."""
    from radseek.index_builder.labels.label_file import read_labels
    from radseek.index_builder.labels.label_join import join_labels
    from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
    from radseek.retrieval.evaluation.calibrate_index import calibrate_index
    from radseek.retrieval.evaluation.calibration_fit import Aims
    from radseek.retrieval.index.local_store import LocalStore

    aims = Aims(coverage, sensitivity, specificity)
    asked = _asked(findings, finding)
    with LocalStore.open(index) as store:
        joined = join_labels(read_labels(labels, uncertain=uncertain.value, findings=asked or ()), store)
        chosen = joined.table if asked is None else _only(joined.table, asked, labels)
        encoder = store.with_own_pooling(load_encoder(check_here(store.spec.name)))
        report = calibrate_index(store, encoder, chosen, aims)
    if json:
        print_json({**report.to_dict(), "labels": joined.report.to_dict()})
    else:
        _print(report, joined)


def _asked(findings: str | None, words: Sequence[str] | None) -> tuple[Finding, ...] | None:
    """Return the findings that are meant, None for all of the file."""
    from radseek.retrieval.scoring.screening import choose_findings

    if findings is not None and words:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    if findings is None and not words:
        return None
    return choose_findings(findings if findings is not None else [find(one) for one in words or ()])[0]


def _only(table: LabelTable, asked: Sequence[Finding], file: Path) -> LabelTable:
    """Return the labels of some findings, in the words asked. Raises `UsageError` where the file has none of them."""
    from dataclasses import replace

    column = {one.name: place for place, one in enumerate(table.findings)}
    known = [one for one in asked if one.name in column]
    if not known:
        raise UsageError(
            f"{file} labels none of {', '.join(one.names['en'] for one in asked[:5])}; it labels {', '.join(column)}."
        )
    return replace(table, findings=tuple(known), values=table.values[:, [column[one.name] for one in known]])


def _print(report: CalibrationReport, joined: JoinedLabels) -> None:
    fitted = [row for row in report.rows if row.to_dict()["method"] is not None]
    title = f"{report.fitted} of {len(report.rows)} fitted; checked on a quarter of the patients, which fitted nothing"
    columns = ["finding", "views", "slices", "of", "present", "method", "AUROC", "ECE before", "after", "absent to"]
    columns += ["present from", "covered: absent, present", "called"]
    print_table(title, columns, [_line(row) for row in fitted])
    points = [line for row in fitted for line in _points(row)]
    print_table(
        "Operating points, as on the check part", ["finding", "views", "rule", "from", "sens.", "spec."], points
    )
    for sentence in (*joined.report.lines(), *_why_not(report), *_alike(fitted)):
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
