"""Studies of an index with what their reports say, as vectors: the pairs that a pooling adapter is fitted on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.reports.report_join import Named, Report, find_report, load_reports, unmatched_reports
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case
from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.path_text import shown_path
from radseek.retrieval.privacy.pseudonyms import load_key, patient_key
from radseek.retrieval.privacy.scrub import scrub

__all__ = ["Pair", "Pairs", "find_pairs"]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One study: the slice vectors of its views, its report's sentences, and their unit mean `text (D,)`.

    `patient` is the patient's key, or the study's where the patient is not known.
    """

    study: str
    patient: str
    views: tuple[tuple[str, NDArray[np.float16]], ...]
    sentences: tuple[str, ...]
    text: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs in key order, the studies in all, and the rows of the file of reports that no study claimed."""

    pairs: tuple[Pair, ...]
    studies: int
    unmatched: int


def find_pairs(
    store: LocalStore,
    reports: Path | None,
    encoder: Callable[[], Encoder],
    named: Named = Named(),  # noqa: B008 - frozen
) -> Pairs:
    """Return every study that has a report and a view of two slices or more.

    `reports` (see `load_reports`, and there `named`) gives reports to studies that have none; only they are encoded,
    with `encoder()`.
    Without the linkage file beside the index, its rows can name studies by their keys only.
    """
    cases = store.cases()
    with _outside(store, reports, named) as lookup:
        found = [pair for case in cases if (pair := _pair(store, case, lookup(case), encoder)) is not None]
        unmatched = lookup.unmatched()
    return Pairs(tuple(found), len(cases), unmatched)


class _Lookup:
    """Reports from a file, for studies that have none."""

    def __init__(self, store: LocalStore, database: sqlite3.Connection | None) -> None:
        self._store = store
        self._database = database

    def __call__(self, case: Case) -> Report | None:
        if self._database is None:
            return None
        found = find_report(self._database, _names(self._store, case))  # claimed, even where it is not needed
        return None if case.sentences else found

    def unmatched(self) -> int:
        return 0 if self._database is None else unmatched_reports(self._database)


@contextmanager
def _outside(store: LocalStore, reports: Path | None, named: Named) -> Iterator[_Lookup]:
    if reports is None:
        yield _Lookup(store, None)
        return
    with scratch_database() as database:
        load_reports(reports, database, named=named)
        yield _Lookup(store, database)


def _names(store: LocalStore, case: Case) -> list[str]:
    """Return what a file of reports may call a stored study, as when it was built; its key too."""
    link = store.linkage_of(case.key)
    if link is None:
        return [case.key]
    paths = [str(Path(path).resolve()) for path in link.paths]
    folder = [os.path.commonpath([str(Path(path).parent) for path in paths])] if link.study_uid and paths else []
    names = [link.study_uid, link.accession, case.path or "", *link.paths, *paths, *folder, case.key]
    return [shown_path(name) for name in names]


def _pair(store: LocalStore, case: Case, report: Report | None, encoder: Callable[[], Encoder]) -> Pair | None:
    sentences = case.sentences or (tuple(split_sentences(scrub(report.text))) if report is not None else ())
    if not sentences:
        return None
    views = tuple((view.view, view.slices) for view in store.slice_vectors(case.key))
    if not any(len(slices) > 1 for _, slices in views):
        return None
    rows = store.sentence_vectors(case.key) if case.sentences else encoder().encode_texts(sentences)
    patient = case.patient_key or (patient_key(report.patient, load_key()) if report is not None else "")
    return Pair(case.key, patient or case.key, views, sentences, _unit_mean(rows, case))


def _unit_mean(rows: NDArray[np.floating], case: Case) -> NDArray[np.float32]:
    mean = rows.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not np.isfinite(length) or length == 0:
        raise UsageError(f"The sentence vectors of {case.key} cannot be averaged; run `radseek verify` on the index.")
    text: NDArray[np.float32] = (mean / length).astype(np.float32)
    return text
