"""The command that fits an index's pooling to the reports in it: adapt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseek.cli.console import errors, print_json, print_notice, print_table, progress
from radseek.cli.options import Json, ReportColumn, StudyColumn

if TYPE_CHECKING:
    from radseek.index_builder.adapt.adapt_index import AdaptReport
    from radseek.retrieval.evaluation.metrics import Estimate

__all__ = ["adapt"]


def adapt(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    reports: Annotated[
        Path | None, typer.Option(help="CSV, JSONL or Parquet with columns study and report, for studies without one.")
    ] = None,
    study_column: StudyColumn = None,
    report_column: ReportColumn = None,
    seed: Annotated[int, typer.Option(help="The same seed splits and fits the same way.")] = 0,
    json: Json = False,
) -> None:
    """Fit how slices are pooled to the reports in an index; kept only where it is better on patients held out."""
    from radseek.index_builder.adapt.adapt_index import adapt_index

    with progress() as update:
        report = adapt_index(
            index,
            reports=reports,
            study_column=study_column,
            report_column=report_column,
            seed=seed,
            progress=update,
        )
    if json:
        print_json(report.to_dict())
    else:
        _summary(report)


def _summary(report: AdaptReport) -> None:
    title = f"{report.validated} studies held out, {report.fitted} fitted on, {report.patients} patients"
    rows = [[one.measure, *map(_cell, (one.before, one.after, one.difference))] for one in report.measures]
    print_table(title, ["measure", "before", "after", "difference [95 %]"], rows)
    errors.print(f"{'Kept' if report.kept else 'Not kept'}: {report.reason}.", markup=False, soft_wrap=True)
    if report.reports_unmatched:
        errors.print(f"{report.reports_unmatched} reports belong to no study of this index.", markup=False)
    print_notice(meaningless=bool(report.encoder.get("meaningless")))


def _cell(one: Estimate) -> str:
    return f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
