"""The command `reports`: reports for the studies of an index, added, replaced or matched anew; no image is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors, interruptible, print_json, print_skipped, print_table, progress
from radseek.cli.options import Json, Model, ReportColumn, StudyColumn
from radseek.index_builder.name_match import three_of
from radseek.index_builder.reports.update_reports import ReportsUpdate, update_reports
from radseek.retrieval.encoders.load_encoder import load_encoder

__all__ = ["reports"]


def reports(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    file: Annotated[
        Path, typer.Option("--reports", help="CSV, JSONL or Parquet with columns study and report, as for build.")
    ],
    study_column: StudyColumn = None,
    report_column: ReportColumn = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Add reports to the studies of an index, or replace them: no image is read. Studies without a row keep theirs."""
    columns = {"study_column": study_column, "report_column": report_column}
    encoder = load_encoder(model) if model is not None else None
    with progress() as update, interruptible(index, json=json):
        found = update_reports(index, file, **columns, encoder=encoder, progress=update)
    for note in found.notes:
        errors.print(note, markup=False, soft_wrap=True)
    if json:
        print_json(found.to_dict())
        return
    rows = [[name, getattr(found, name)] for name in ("rows", "studies", "added", "replaced", "unchanged", "without")]
    print_table(f"{found.index}, generation {found.generation}", ["", ""], rows)
    _say_unmatched(found)
    if found.replaced:
        said = "The reports that were replaced are hidden; `radseek compact` deletes them from disk."
        errors.print(said, markup=False, soft_wrap=True)
    print_skipped(found.skipped)


def _say_unmatched(found: ReportsUpdate) -> None:
    lost = found.unmatched + found.ambiguous
    if not lost:
        return
    several = f", {found.ambiguous} of them because several studies are called so" if found.ambiguous else ""
    left = f"; {found.without} studies have no report ({three_of(found.without_names, found.without)})"
    errors.print(
        f"{lost} rows were not used ({three_of(found.unmatched_names, lost)}){several}{left if found.without else ''}; "
        "--study-column says which column names studies.",
        markup=False,
        soft_wrap=True,
    )
