"""Margins of an index's studies beside their labels, and the groups in which a calibrator may be fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.concepts import Source
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.store import Scope, Store, pages
from radseek.retrieval.scoring.own_calibration import view_class
from radseek.retrieval.scoring.stored_margins import StoredMargins, stored_margins
from radseek.retrieval.scoring.study_vectors import is_synthetic
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import FEWEST, LIMIT, Kind, likeness, references

__all__ = ["FitKind", "LabelledMargins", "LeftOut", "labelled_margins"]


@dataclass(frozen=True, slots=True, order=True)
class FitKind:
    """What studies must share to be calibrated together: class of view, one slice or many, real or phantom."""

    view_class: str
    many: bool
    fitted_on: Source


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Of a finding's labels, how many no fit could use, counted by what was missing first.

    `not_stored`: the index lacks the study; `unknown_modality`: nobody said what its images are, so its scores are
    never called; `no_view`: no view of it shows the finding.
    """

    finding: str
    labels: int
    not_stored: int
    unknown_modality: int
    no_view: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMargins:
    """N labelled studies that are stored and F findings: margins, labels, whose they are and what kind of study.

    `values (N, F)` int8: 1 present, 0 absent, -1 not known; `alike (K, F)`: likeness of each finding's order to that of
    other words among the studies of each of K `kinds`, NaN where they are too few; `kind (N,)`: which is a study's.
    """

    margins: StoredMargins
    values: NDArray[np.int8]
    patients: tuple[str, ...]
    phantom: NDArray[np.bool_]
    known: NDArray[np.bool_]
    kind: NDArray[np.intp]
    alike: NDArray[np.float64]

    def groups(self, column: int) -> Iterator[tuple[FitKind, NDArray[np.intp]]]:
        """Yield the kinds of study in which a finding has labels, each with its rows; kinds in order."""
        classes = np.array([view_class(name) for name in self.margins.views] or [""], dtype=object)
        found: dict[FitKind, list[int]] = {}
        for row in np.flatnonzero(self._usable(column)):
            name = str(classes[self.margins.view[row, column]])
            many = bool(self.margins.slices[row, column] > 1)
            source: Source = "phantom" if self.phantom[row] else "real"
            found.setdefault(FitKind(name, many, source), []).append(int(row))
        yield from ((kind, np.array(found[kind], np.intp)) for kind in sorted(found))

    def views_of(self, rows: NDArray[np.intp], column: int) -> tuple[str, ...]:
        """Return the views in which a finding was read best in some studies, by name."""
        return tuple(sorted({self.margins.views[code] for code in self.margins.view[rows, column]}))

    def not_told_apart(self, rows: NDArray[np.intp], column: int) -> bool | None:
        """Say whether other words order studies of a kind as a finding does, of the kinds among some studies.

        None where each kind has too few.
        """
        found = self.alike[np.unique(self.kind[rows]), column]
        return None if np.isnan(found).all() else bool(np.nanmax(found) >= LIMIT)

    def left_out(self, column: int, labels: LabelTable) -> LeftOut:
        """Return which labels of a finding cannot be used, and why."""
        there = self.values[:, column] >= 0
        total = int((labels.values[:, column] >= 0).sum())
        unseen = int((there & self.known & (self.margins.view[:, column] < 0)).sum())
        name = labels.findings[column].name
        return LeftOut(name, total, total - int(there.sum()), int((there & ~self.known).sum()), unseen)

    def _usable(self, column: int) -> NDArray[np.bool_]:
        return (self.values[:, column] >= 0) & self.known & (self.margins.view[:, column] >= 0)


def labelled_margins(store: Store, text_vectors: TextVectors, labels: LabelTable) -> LabelledMargins:
    """Return the margins of the labelled studies that an index holds, read in two passes over stored vectors.

    Args:
        store: an open index.
        text_vectors: of the encoder that built it.
        labels: of its studies; those that it lacks are left aside.

    Returns:
        Rows in key order, columns in the order of the labels' findings.
    """
    scope = Scope(only_studies=frozenset(labels.studies))
    margins = stored_margins(store, text_vectors, labels.findings, scope)
    at = {study: row for row, study in enumerate(labels.studies)}
    rows = np.array([at[study] for study in margins.studies], np.intp)
    phantom, known, kinds = _about(store, scope)
    names = sorted(set(kinds))
    kind = np.array([names.index(one) for one in kinds], np.intp)
    return LabelledMargins(
        margins=margins,
        values=labels.values[rows],
        patients=tuple(labels.patients[row] for row in rows),
        phantom=phantom,
        known=known,
        kind=kind,
        alike=_alike(store, text_vectors, margins, scope, [kind == i for i in range(len(names))]),
    )


def _about(store: Store, scope: Scope) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[Kind]]:
    """Return of each study whether it is a phantom, whether its modality is known, and its first series' kind."""
    phantom, known, kinds = [], [], []
    for case in pages(store, scope):
        phantom.append(is_synthetic(case.attributes))
        known.append(all(one.modality for one in case.series))
        kinds.append((case.series[0].modality, case.series[0].body_part) if case.series else ("", ""))
    return np.array(phantom, bool), np.array(known, bool), kinds


def _alike(
    store: Store, text_vectors: TextVectors, margins: StoredMargins, scope: Scope, members: list[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Return `(K, F)`: how alike other words order the members of each of K kinds, NaN for fewer than `FEWEST`."""
    found = np.full((len(members), len(margins.findings)), np.nan)
    if not any(one.sum() >= FEWEST for one in members):
        return found
    others = list(dict.fromkeys(one for finding in margins.findings for one in references(finding)))
    column = {one: place for place, one in enumerate(others)}
    table = stored_margins(store, text_vectors, others, scope).margins.astype(np.float64)
    for k, member in enumerate(members):
        for f, finding in enumerate(margins.findings):
            beside = table[:, [column[one] for one in references(finding)]]
            alike = likeness(margins.margins[member, f].astype(np.float64), beside[member])
            found[k, f] = np.nan if alike is None else alike
    return found
