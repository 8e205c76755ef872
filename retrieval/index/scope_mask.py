"""Which studies a question is about, as a mask over the studies of a generation in key order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radseek.retrieval.index.catalog.columns import Mask, StudyColumns
from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.store import Scope

__all__ = ["scope_mask"]


def scope_mask(scope: Scope, columns: StudyColumns, views: Callable[[], ViewTable]) -> Mask:
    """Return the `(N,)` mask of the studies in scope; `views`, which may take long, is asked only where it must be."""
    mask = np.ones(len(columns.ids), bool)
    for clause in scope.where.clauses:
        mask &= columns.of_clause(clause)
    if scope.kind is not None:
        mask &= columns.of_kind(*scope.kind)
    if scope.only_studies is not None:
        mask &= columns.of_keys(scope.only_studies)
    if scope.not_studies:
        mask &= ~columns.of_keys(scope.not_studies)
    if scope.not_patients - {""}:
        mask &= ~columns.of_patients(scope.not_patients - {""})
    if scope.with_views is not None:
        table = views()
        named = np.array([name in scope.with_views for name in table.names], bool)
        seen = columns.of_unknown_modality()
        seen[table.owner[named[table.name]]] = True
        mask &= seen
    return mask
