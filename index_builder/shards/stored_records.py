"""Studies of one index as records for another: the same rows and vectors, with the way back to the originals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, Linkage, SeriesRecord, StudyRecord, pages
from radseek.retrieval.types import ViewVectors

__all__ = ["stored_records"]


def stored_records(store: LocalStore) -> Iterator[StudyRecord]:
    """Yield every study of an open index as it was committed, in key order; no more than a page is held."""
    for case in pages(store):
        yield _record(store, case)


def _record(store: LocalStore, case: Case) -> StudyRecord:
    views = [_copy(view) for view in store.slice_vectors(case.key)]
    series = tuple(
        SeriesRecord(
            key=one.key,
            modality=one.modality,
            body_part=one.body_part,
            views=tuple(view for view in views if view.series_key == one.key),
            description=one.description,
            unit=one.unit,
            shape=one.shape,
            spacing=one.spacing,
            provenance=one.provenance,
        )
        for one in case.series
    )
    linkage = store.linkage_of(case.key) or Linkage()
    return StudyRecord(
        key=case.key,
        patient_key=case.patient_key,
        source_path=case.path or "",
        attributes=case.attributes,
        series=series,
        report=case.report or "",
        sentences=case.sentences,
        sentence_vectors=store.sentence_vectors(case.key) if case.sentences else None,
        linkage=replace(linkage, seen=store.upkeep.seen(case.key)),
    )


def _copy(view: ViewVectors) -> ViewVectors:
    return replace(view, slices=np.array(view.slices), pooled=np.array(view.pooled))  # what is mapped is given back
