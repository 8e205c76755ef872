"""A file of labels as data sets are downloaded: long, wide or with lists of names; what it says of each study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.labels.cell_columns import CellColumns, read_columns
from radseek.index_builder.labels.label_claims import find_claims
from radseek.index_builder.labels.label_columns import LabelNames, Layout, find_layout, identifying_columns
from radseek.index_builder.labels.label_values import Empty, Uncertain, policies
from radseek.index_builder.reports.report_columns import known_headings
from radseek.prompts.finding import Finding
from radseek.retrieval.errors import UsageError

__all__ = ["Contradiction", "LabelFile", "decided", "read_labels"]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A study, as it is named, and a finding, by its name in the catalogue, that rows call present and absent."""

    study: str
    finding: str


@dataclass(frozen=True, slots=True, eq=False)
class LabelFile:
    """What a file says of N studies and F findings.

    `studies`: as the file names them, each once, in its order; `patients (N,)`: "" where it does not say. `present` and
    `absent` `(N, F)`: whether a row says so, after the policies; where both or neither, the label is not known.
    `columns`: every further column by heading, a text a study. `rows`: how many could be used. `notes`: what was
    guessed, mended, left out or not understood, a sentence each.
    """

    path: Path
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    findings: tuple[Finding, ...]
    present: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    columns: Mapping[str, tuple[str, ...]]
    rows: int
    uncertain: Uncertain = "ignore"
    empty: Empty = "unknown"
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> NDArray[np.int8]:
        """Return the labels `(N, F)`: 1 present, 0 absent, -1 not known."""
        return decided(self.present, self.absent)

    @property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return what rows call both present and absent, in the order of studies and findings."""
        both = np.argwhere(self.present & self.absent)
        return tuple(Contradiction(self.studies[n], self.findings[f].name) for n, f in both)


def read_labels(
    path: str | Path,
    *,
    uncertain: Uncertain = "ignore",
    empty: Empty = "unknown",
    findings: Iterable[Finding] = (),
    study_column: str | None = None,
) -> LabelFile:
    """Read a file of labels: CSV, TSV, JSONL or Parquet, in any encoding that tables of reports are read in.

    Long: `study, finding, label`; wide: `study` and a column a finding; or `study` and a column whose cells list what
    is there (`Finding Labels` of NIH, `Labels` of PadChest): such a list names all there is, so that a finding of the
    file that it does not name is absent. `patient`, where it is there, says whose study it is. A label is 1, 0, -1 or
    nothing, or words such as yes, no, present, absent. Every further column is kept as text.

    Args:
        path: the file.
        uncertain: what -1 counts as: not known (`ignore`), `present` or `absent`.
        empty: what an empty cell of a column of labels, and an empty list, count as: `unknown` or `absent`. A row of a
            long table without a label says nothing.
        findings: a user's own, which are meant before those of the catalogue.
        study_column: the heading of the column that names the study; None where the headings are to tell.

    Returns:
        What it says; `join_labels` finds its studies in an index.

    Raises:
        UsageError: where the file is missing or is no table, a column is missing, or no column holds labels.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file of labels; give a .csv, .tsv, .jsonl or .parquet file")
    notes: list[str] = []
    try:
        return _read(path, LabelNames(findings), study_column, uncertain, empty, notes)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def decided(present: NDArray[np.bool_], absent: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return 1 where only `present`, 0 where only `absent`, -1 where both or neither."""
    values: NDArray[np.int8] = np.where(present == absent, -1, present).astype(np.int8)
    return values


def _read(
    path: Path,
    names: LabelNames,
    study_column: str | None,
    uncertain: Uncertain,
    empty: Empty,
    notes: list[str],
) -> LabelFile:
    def known(headings: Sequence[str]) -> int:
        return sum(map(names.known, headings)) + known_headings(headings)

    table = read_columns(path, known, lambda headings: identifying_columns(headings, study_column), notes.append)
    layout = find_layout(table, names, study_column, None)
    table = _with_study(table, layout, notes.append)
    studies, owner = _numbered(table.identifiers(layout.study))
    patients = _first_said(owner, len(studies), table.identifiers(layout.patient))
    claims = find_claims(table, layout, names, policies(uncertain, empty), owner, notes.append)
    texts = {heading: _first_said(owner, len(studies), table.cells[heading]) for heading in layout.text}
    _note_several(table, layout, owner, {**texts, layout.patient: patients}, notes.append)
    return LabelFile(
        path=path,
        studies=studies,
        patients=patients,
        findings=claims.findings,
        present=claims.present,
        absent=claims.absent,
        columns=texts,
        rows=table.rows,
        uncertain=uncertain,
        empty=empty,
        notes=tuple(notes),
    )


def _with_study(table: CellColumns, layout: Layout, note: Callable[[str], None]) -> CellColumns:
    """Return the rows that name a study."""
    rows = [row for row, study in enumerate(table.identifiers(layout.study)) if study]
    if not rows:
        raise UsageError(f"the column {layout.study!r} is empty; every label needs a study")
    if layout.study == layout.patient:
        note(f"no column names a study; {layout.study!r} is taken for it")
    if len(rows) < table.rows:
        note(f"{table.rows - len(rows)} rows have nothing in {layout.study!r} and are left out")
        return table.kept(rows)
    return table


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Return the names once each, in order, and of every row which it has."""
    numbers: dict[str, int] = {}
    owner = [numbers.setdefault(name, len(numbers)) for name in names]
    return tuple(numbers), owner


def _first_said(owner: Sequence[int], count: int, cells: Sequence[str]) -> tuple[str, ...]:
    """Return the first cell of each study that is not empty."""
    found = [""] * count
    for study, cell in zip(owner, cells, strict=True):
        found[study] = found[study] or cell
    return tuple(found)


def _note_several(
    table: CellColumns,
    layout: Layout,
    owner: Sequence[int],
    first: Mapping[str, Sequence[str]],
    note: Callable[[str], None],
) -> None:
    """Say where rows of one study differ in a column of which one text is kept."""
    for heading, kept in first.items():
        cells = table.identifiers(heading) if heading == layout.patient else table.cells.get(heading, [])
        others = {study for study, cell in zip(owner, cells, strict=bool(heading)) if cell and cell != kept[study]}
        if others:
            note(f"{len(others)} studies have several texts in {heading!r}; the first of each is kept")
