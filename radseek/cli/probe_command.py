"""The command `probe`: one finding fitted to labels, starting from its words, and kept in the index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors, print_json, print_notice, print_table
from radseek.cli.options import Json, LabelsFile, LabelStudyColumn, LabelWhere, Model
from radseek.index_builder.labels.labelled_index import labelled_index
from radseek.prompts import find
from radseek.retrieval.evaluation.learning_curve import LearningCurve
from radseek.retrieval.evaluation.metrics import Estimate
from radseek.retrieval.evaluation.probe_index import ProbeReport, probe_index
from radseek.retrieval.path_text import printable
from radseek.retrieval.scoring.probe_files import write_probe
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["probe"]


def probe(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: LabelsFile,
    finding: Annotated[str, typer.Option(help="The finding that is labelled, in words.")],
    study_column: LabelStudyColumn = None,
    where: LabelWhere = None,
    model: Model = None,
    seed: Annotated[int, typer.Option(help="The same seed splits, draws and fits the same way.")] = 0,
    json: Json = False,
) -> None:
    """Fit one finding to labels, starting from its words; say what labels bring, and keep it as probe:NAME."""
    asked = find(finding)
    with labelled_index(index, labels, [asked], study_column=study_column, where=where, model=model) as opened:
        texts = TextVectors(opened.encoder)
        report = probe_index(opened.store, texts, opened.table, asked.name, labels=labels.name, seed=seed)
    kept = write_probe(index, report.probe)
    if json:
        print_json({**report.to_dict(), "labels": opened.report.to_dict(), "kept": str(kept.relative_to(index))})
        return
    for line in opened.report.lines():
        errors.print(printable(line), markup=False, soft_wrap=True)
    _print_probe(report)


def _print_probe(report: ProbeReport) -> None:
    probe, curve = report.probe, report.curve
    title = f"{probe.words.names['en']}: AUROC on {curve.zero_shot.patients} patients held out [95 %]"
    columns = ["labels", "with it", "few-shot", "gain", "linear probe", "gain"]
    print_table(title, columns, _rows(curve, "none (words)" if report.encoder.text else "none (chance)"))
    if report.unread:
        errors.print(f"{report.unread} labelled studies have no view that shows it.", markup=False)
    how = (
        f"as probe:{probe.words.name}, fitted to {probe.present} studies with it and {probe.absent} without"
        if probe.strength is not None
        else f"as probe:{probe.words.name}: the labels do not better the words, so it is the words"
    )
    errors.print(f"Kept {how}. Ask it with `radseek screen TARGET --index DIR --finding probe:NAME`.", soft_wrap=True)
    print_notice(meaningless=report.encoder.meaningless)


def _rows(curve: LearningCurve, first: str) -> list[list[object]]:
    rows: list[list[object]] = [[first, "", str(curve.zero_shot), "", "", ""]]
    for point in curve.points:
        gains = (_signed(point.few_shot_gain), _signed(point.linear_gain))
        rows.append([point.labels, point.present, str(point.few_shot), gains[0], str(point.linear), gains[1]])
    return rows


def _signed(gain: Estimate) -> str:
    value, low, high = (round(one, 3) + 0.0 for one in (gain.value, gain.low, gain.high))  # no -0.000
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
