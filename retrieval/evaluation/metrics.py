"""Metrics with their uncertainty: AUROC, accuracy, calibration, ranking; intervals by patient-level bootstrap.

scikit-learn computes each measure; this module decides only what is resampled: whole patients, because two images
of one person are not two independent observations (Efron & Tibshirani 1993, percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import ndcg_score, roc_auc_score

from radseek.retrieval.errors import UsageError

__all__ = [
    "Estimate",
    "ReliabilityBin",
    "accuracy",
    "auroc",
    "bootstrap",
    "calibration_error",
    "macro_auroc",
    "ndcg",
    "pair_recall",
    "reliability",
]

Metric = Callable[[NDArray[np.intp]], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its 95 % interval, over `count` observations of `patients` patients."""

    value: float
    low: float
    high: float
    count: int
    patients: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One row of a reliability table: what was said (`mean_probability`) beside what was so (`frequency`)."""

    low: float
    high: float
    count: int
    mean_probability: float
    frequency: float


def bootstrap(metric: Metric, patients: Sequence[Any], *, repeats: int = 1000, seed: int = 0) -> Estimate:
    """Return `metric` over all rows, with the 2.5 to 97.5 percentiles of resampled patients.

    `metric` takes row numbers and returns a number, or NaN where a resample cannot be measured (one class only):
    such resamples are left out. Raises `UsageError` where there is no row or the whole cannot be measured.
    """
    names, owner = np.unique(np.asarray([str(p) for p in patients]), return_inverse=True)
    if not len(names):
        raise UsageError("There is nothing to measure: no rows were given. Check that labels and scores match.")
    rows = [np.flatnonzero(owner == i) for i in range(len(names))]
    value = metric(np.arange(len(owner)))
    if np.isnan(value):
        raise UsageError("This cannot be measured: it needs rows with label 0 and rows with label 1.")
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(names), size=len(names)) for _ in range(repeats))
    values = np.array([metric(np.concatenate([rows[i] for i in pick])) for pick in drawn])
    values = values[~np.isnan(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), len(owner), len(names))


def auroc(
    labels: ArrayLike, scores: ArrayLike, patients: Sequence[Any] | None = None, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Return the area under the ROC curve of `scores (N,)` for `labels (N,)` in 0, 1.

    Without `patients` every row is its own. Raises `UsageError` where one class or every row is missing.
    """
    truth, score = _pair(labels, scores)
    owners = range(len(truth)) if patients is None else patients
    return bootstrap(lambda rows: _auroc(truth[rows], score[rows]), owners, repeats=repeats, seed=seed)


def macro_auroc(
    labels: ArrayLike, scores: ArrayLike, patients: Sequence[Any], *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Return the mean AUROC over the columns of `labels (N, C)` and `scores (N, C)`, patients resampled together.

    A label below 0 is unknown and leaves that row out of that column; a column that a resample cannot measure is
    left out of that resample's mean.
    """
    truth, score = _pair(labels, scores)

    def mean(rows: NDArray[np.intp]) -> float:
        columns = [
            _auroc(truth[rows, c][known], score[rows, c][known])
            for c in range(truth.shape[1])
            if (known := truth[rows, c] >= 0).any()
        ]
        return float(np.nanmean(columns)) if columns and not np.isnan(columns).all() else float("nan")

    return bootstrap(mean, patients, repeats=repeats, seed=seed)


def accuracy(
    truth: Sequence[Any], found: Sequence[Any], patients: Sequence[Any] | None = None, *, repeats: int = 1000
) -> Estimate:
    """Return the share of rows where `found` equals `truth`."""
    right = np.array([a == b for a, b in zip(truth, found, strict=True)], float)
    owners = range(len(right)) if patients is None else patients
    return bootstrap(lambda rows: float(right[rows].mean()), owners, repeats=repeats)


def reliability(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10) -> list[ReliabilityBin]:
    """Return the reliability table over equal-width bins of probability; empty bins are left out."""
    truth, said = _pair(labels, probabilities)
    if len(said) and (said.min() < 0 or said.max() > 1):
        raise UsageError("A probability lies outside 0 to 1; pass calibrated probabilities, not margins.")
    place = np.minimum((said * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(b / bins, (b + 1) / bins, int(mine.sum()), float(said[mine].mean()), float(truth[mine].mean()))
        for b in range(bins)
        if (mine := place == b).any()
    ]


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10) -> float:
    """Return the expected calibration error: the bins' |said - so|, weighted by their counts (Naeini 2015)."""
    table = reliability(labels, probabilities, bins=bins)
    total = sum(row.count for row in table)
    if not total:
        raise UsageError("There is nothing to measure: no probabilities were given.")
    return sum(row.count * abs(row.mean_probability - row.frequency) for row in table) / total


def ndcg(relevance: ArrayLike, scores: ArrayLike, *, k: int = 10) -> NDArray[np.float64]:
    """Return nDCG@k of each query: `relevance (Q, N)` >= 0, `scores (Q, N)`; NaN where nothing is relevant."""
    wanted, score = _pair(relevance, scores)
    return np.array(
        [ndcg_score(w[None], s[None], k=k) if w.any() else np.nan for w, s in zip(wanted, score, strict=True)]
    )


def pair_recall(similarity: ArrayLike, *, k: int = 5) -> NDArray[np.float64]:
    """Return, of `similarity (N, N)`, 1 for each query whose own partner (the diagonal) is among its k best, else 0.

    Ties count against the partner.
    """
    matrix = np.asarray(similarity, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"similarity is {matrix.shape}; pair_recall needs (N, N) with partners on the diagonal.")
    own = np.diag(matrix)[:, None]
    better = (matrix >= own).sum(1) - 1
    found: NDArray[np.float64] = (better < k).astype(np.float64)
    return found


def _pair(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth, score = np.asarray(labels, float), np.asarray(scores, float)
    if truth.shape != score.shape:
        raise UsageError(f"Labels are {truth.shape} and scores {score.shape}; give one score a label.")
    if np.isnan(score).any():
        raise UsageError("A score is NaN; leave out the studies that abstained before measuring.")
    return truth, score


def _auroc(truth: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    if truth.min(initial=1) == truth.max(initial=0):
        return float("nan")
    return float(roc_auc_score(truth, score))
