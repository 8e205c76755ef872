"""Which labelled studies are meant: by a column of the label file, such as its split, or by the index's own filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radseek.retrieval.errors import UsageError, nearest
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.catalog.where import own_field
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.search.filter_check import checked_where

__all__ = ["chosen_studies"]


def chosen_studies(labels: LabelTable, store: Store, where: Sequence[str]) -> LabelTable:
    """Return the labels of the studies that pass all of `where`.

    Args:
        labels: of studies of the index.
        store: the index.
        where: `COLUMN=VALUE`, several values separated by commas, of the file's further columns; other names are
            filters of the index (`sex=F`, `age=40-60`).

    Raises:
        UsageError: a value that no labelled study has, or a filter that is none.
    """
    if not where:
        return labels
    by_name = {own_field(heading): heading for heading in labels.columns}
    kept = np.ones(len(labels.studies), bool)
    filters = []
    for text in where:
        name, _, wanted = text.partition("=")
        heading = by_name.get(own_field(name))
        if heading is None:
            filters.append(text)
            continue
        values = [value.strip().casefold() for value in wanted.split(",")]
        column = [value.strip().casefold() for value in labels.columns[heading]]
        lost = [value for value in values if value not in column]
        if lost:
            there = sorted(set(column) - {""})
            meant = nearest(lost[0], there)
            raise UsageError(f"No labelled study has {heading}={lost[0]}{meant}; there are {', '.join(there[:12])}.")
        kept &= np.isin(column, values)
    if filters:
        passing = frozenset(store.study_keys(Scope(checked_where(filters, store))))
        kept &= np.array([key in passing for key in labels.studies], bool)
    return _rows(labels, np.flatnonzero(kept).tolist())


def _rows(labels: LabelTable, rows: Sequence[int]) -> LabelTable:
    return replace(
        labels,
        studies=tuple(labels.studies[row] for row in rows),
        patients=tuple(labels.patients[row] for row in rows),
        values=labels.values[list(rows)],
        columns={heading: tuple(cells[row] for row in rows) for heading, cells in labels.columns.items()},
    )
