"""Areas under the ROC curve and the precision-recall curve of every resample, from one sort.

A resample does not change the order of scores, only how often each row counts. So the rows are sorted once, each draw's
weights are summed along that order, and both areas are sums over the distinct scores that some positive has:

    AUROC  positives at a score x (negatives below it + half of those at it), over all pairs   (Mann & Whitney 1947)
    AP     positives at a score x the precision down to it, over all positives                 (as scikit-learn's)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.evaluation.patient_draws import PatientDraws

__all__ = ["DrawnAreas", "drawn_areas"]


@dataclass(frozen=True, slots=True, eq=False)
class DrawnAreas:
    """Both areas `(1 + R,)` for the sample and each of R draws, NaN where a draw has one class only."""

    auroc: NDArray[np.float64]
    average_precision: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _RankedRows:
    """Rows from the highest score down, and where in that order each score that a positive has begins and ends."""

    rows: NDArray[np.intp]
    positive: NDArray[np.intp]  # places of the positives
    before: NDArray[np.intp]  # how many rows stand before a score
    upto: NDArray[np.intp]  # how many rows stand before it or at it
    positives_before: NDArray[np.intp]
    positives_upto: NDArray[np.intp]


def drawn_areas(
    labels: NDArray[np.number], scores: NDArray[np.float64], draws: PatientDraws, known: NDArray[np.bool_]
) -> DrawnAreas:
    """Return both areas of `scores (N,)` for `labels (N,)` in 0, 1, over the rows marked in `known (N,)`."""
    order = _ordered(labels, scores, np.flatnonzero(known))
    found = DrawnAreas(*(np.full(len(draws.counts), np.nan) for _ in range(2)))
    if len(order.positive) in (0, len(order.rows)):
        return found
    for block, weights in draws.weights(order.rows):
        all_seen = _running(weights)
        positives_seen = _running(weights.take(order.positive, axis=1))
        positives, negatives = positives_seen[:, -1], all_seen[:, -1] - positives_seen[:, -1]
        true = positives_seen.take(order.positives_upto, axis=1)
        true_before = positives_seen.take(order.positives_before, axis=1)
        called = all_seen.take(order.upto, axis=1)
        here = (true - true_before).astype(np.float64)
        # Of each score twice the false calls, in whole numbers: those above it count two, those at it one.
        false = all_seen.take(order.before, axis=1) - true_before + called - true
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(negatives > 0, 1.0 / positives, np.nan)
            found.auroc[block] = 1 - np.einsum("ij,ij->i", here, false) * share / (2.0 * negatives)
            found.average_precision[block] = np.einsum("ij,ij->i", here, true / np.maximum(called, 1)) * share
    return found


def _ordered(labels: NDArray[np.number], scores: NDArray[np.float64], rows: NDArray[np.intp]) -> _RankedRows:
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    ordered = scores[rows]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True][: len(rows)]) + 1
    starts = np.r_[0, ends[:-1]][: len(ends)]
    positive = np.flatnonzero(labels[rows] == 1)
    before, upto = np.searchsorted(positive, starts), np.searchsorted(positive, ends)
    held = upto > before
    return _RankedRows(rows, positive, starts[held], ends[held], before[held], upto[held])


def _running(weights: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return running sums along rows, from the 0 before the first."""
    found = np.zeros((weights.shape[0], weights.shape[1] + 1), np.int32)
    np.cumsum(weights, axis=1, out=found[:, 1:], dtype=np.int32)
    return found
