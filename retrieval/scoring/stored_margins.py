"""Margins of every study of an index for many findings at once, read from stored slice vectors: no image, no encoder.

The same numbers as `margins.read_finding` gives study by study, in one pass over the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.index.store import Scope, Store, TopMeans, TopQuery
from radseek.retrieval.scoring.margins import ONE_IMAGE_VIEWS, TOP_SHARE, is_read_in, views_read
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["StoredMargins", "direction_margins", "stored_margins"]


@dataclass(frozen=True, slots=True, eq=False)
class StoredMargins:
    """Of N studies and F findings the margins, the views that they were read in, and over how many slices.

    `studies`: keys, ascending. `margins (N, F)` float32, NaN where no view of a study shows the finding. `view (N, F)`
    int16 names the best view in `views`, -1 for none. `slices (N, F)` int32: over how many slices the best was taken,
    those of the study's other series in the same view among them, 0 for none.
    """

    studies: tuple[str, ...]
    findings: tuple[Finding, ...]
    views: tuple[str, ...]
    margins: NDArray[np.float32]
    view: NDArray[np.int16]
    slices: NDArray[np.int32]


def stored_margins(
    store: Store, text_vectors: TextVectors, findings: Sequence[Finding], scope: Scope | None = None
) -> StoredMargins:
    """Return the margins of the studies in scope.

    Args:
        store: an open index.
        text_vectors: of the encoder that built it.
        findings: what is asked, at least one.
        scope: which studies; None for all.

    Returns:
        Rows in key order, columns in the order of `findings`.
    """
    directions = np.stack([text_vectors.pair(finding).directions()[:, 0] for finding in findings], axis=1)
    return direction_margins(store, directions, findings, scope)


def direction_margins(
    store: Store, directions: NDArray[np.float64], findings: Sequence[Finding], scope: Scope | None = None
) -> StoredMargins:
    """Return `stored_margins` of any directions `(D, F)`, each read in the views of its own of F findings."""
    keys = tuple(store.study_keys(scope))
    best = _Best(len(keys), findings)
    for block in store.top_means(TopQuery(directions, TOP_SHARE, views_read(findings)), scope):
        best.take(block)
    return StoredMargins(keys, tuple(findings), tuple(best.names), best.margins, best.view, best.slices())


class _Best:
    """The best view of each study and finding so far, and how many slices each study has of each view's name."""

    def __init__(self, studies: int, findings: Sequence[Finding]) -> None:
        shape = (studies, len(findings))
        self.names: list[str] = []
        self.margins = np.full(shape, np.nan, np.float32)
        self.view = np.full(shape, -1, np.int16)
        self._findings = findings
        self._of_best = np.zeros(shape, np.int32)  # slices of the best view alone
        self._of_name: list[NDArray[np.int32]] = []  # (studies,) a name

    def take(self, block: TopMeans) -> None:
        """Look at the views of one block; of equal margins the first met stays."""
        if block.view not in self.names:
            self.names.append(block.view)
            self._of_name.append(np.zeros(len(self.margins), np.int32))
        code = self.names.index(block.view)
        np.add.at(self._of_name[code], block.study, block.slices)
        modality = "known" if block.knows_modality else ""
        read = (i for i, finding in enumerate(self._findings) if is_read_in(finding, block.view, modality))
        columns = np.fromiter(read, np.intp)
        for one in _once_each(block.study):
            rows, means = block.study[one], block.means[one][:, columns]
            here = np.ix_(rows, columns)
            better = ~(means <= self.margins[here])  # NaN, too, gives way
            self.margins[here] = np.where(better, means, self.margins[here])
            self.view[here] = np.where(better, code, self.view[here])
            self._of_best[here] = np.where(better, block.slices[one][:, None], self._of_best[here])

    def slices(self) -> NDArray[np.int32]:
        """Return over how many slices each best was taken."""
        found = self._of_best.copy()
        for code, counts in enumerate(self._of_name):
            if self.names[code] not in ONE_IMAGE_VIEWS:
                found = np.where(self.view == code, counts[:, None], found)
        return found


def _once_each(studies: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return groups of places in which no study comes twice, so that each group can be looked at in one step."""
    order = np.argsort(studies, kind="stable")
    starts = np.r_[True, studies[order][1:] != studies[order][:-1]]
    rank = np.arange(len(order)) - np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    return [np.sort(order[rank == i]) for i in range(int(rank.max(initial=-1)) + 1)]
