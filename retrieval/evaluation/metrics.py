"""Metrics with their uncertainty: AUROC, accuracy, calibration, ranking; intervals by patient-level bootstrap.

What is resampled are whole patients, because two images of one person are not two independent observations
(Efron & Tibshirani 1993). All measures of a finding at once are in `finding_measures`, those of ranked cases in
`ranking_measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import ndcg_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_areas import drawn_areas
from radseek.retrieval.evaluation.estimate import Estimate, estimate_of
from radseek.retrieval.evaluation.patient_draws import PatientDraws, Patients, patient_draws
from radseek.retrieval.evaluation.probability_bins import BINS, Binning, bin_places, check_probabilities

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
_ONE_CLASS: Final = "This cannot be measured: it needs rows with label 0 and rows with label 1."


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One row of a reliability table: what was said (`mean_probability`) beside what was so (`frequency`)."""

    low: float
    high: float
    count: int
    mean_probability: float
    frequency: float


def bootstrap(metric: Metric, patients: Patients, *, repeats: int = 1000, seed: int = 0) -> Estimate:
    """Return `metric` over all rows, with the 2.5 to 97.5 percentiles of resampled patients.

    `metric` takes row numbers and returns a number, or NaN where a resample cannot be measured (one class only):
    such resamples are left out. Raises `UsageError` where there is no row or the whole cannot be measured.
    """
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    rows = np.arange(len(draws.owner))
    values = np.array([metric(np.repeat(rows, counts[draws.owner])) for counts in draws.counts])
    if np.isnan(values[0]):
        raise UsageError(_ONE_CLASS)
    return estimate_of(values, len(rows), draws.patients, "percentile")


def auroc(
    labels: ArrayLike, scores: ArrayLike, patients: Patients | None = None, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Return the area under the ROC curve of `scores (N,)` for `labels (N,)` in 0, 1.

    Without `patients` every row is its own. Raises `UsageError` where one class or every row is missing.
    """
    truth, score = _pair(labels, scores)
    draws = _draws(range(len(truth)) if patients is None else patients, len(truth), repeats, seed)
    areas = drawn_areas(truth, score, draws, truth >= 0).auroc
    if np.isnan(areas[0]):
        raise UsageError(_ONE_CLASS)
    return estimate_of(areas, len(truth), draws.patients, rarer=draws.rarer(truth == 1, truth == 0))


def macro_auroc(
    labels: ArrayLike, scores: ArrayLike, patients: Patients, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Return the mean AUROC over the columns of `labels (N, C)` and `scores (N, C)`, patients resampled together.

    A label below 0 is unknown and leaves that row out of that column; a column that a resample cannot measure is
    left out of that resample's mean.
    """
    truth, score = _pair(labels, scores)
    draws = _draws(patients, len(truth), repeats, seed)
    total, measured = np.zeros(len(draws.counts)), np.zeros(len(draws.counts))
    for column, own in zip(truth.T, score.T, strict=True):
        areas = drawn_areas(column, own, draws, column >= 0).auroc
        total, measured = total + np.nan_to_num(areas), measured + ~np.isnan(areas)
    if not measured[0]:
        raise UsageError(_ONE_CLASS)
    means = np.divide(total, measured, out=np.full(len(total), np.nan), where=measured > 0)
    return estimate_of(means, len(draws.owner), draws.patients)


def accuracy(
    truth: Sequence[Any], found: Sequence[Any], patients: Patients | None = None, *, repeats: int = 1000
) -> Estimate:
    """Return the share of rows where `found` equals `truth`."""
    right = np.array([a == b for a, b in zip(truth, found, strict=True)], float)
    owners = range(len(right)) if patients is None else patients
    return bootstrap(lambda rows: float(right[rows].mean()), owners, repeats=repeats)


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, *, binning: Binning = "width", bins: int = BINS
) -> list[ReliabilityBin]:
    """Return the reliability table over bins of equal width or equal mass; empty bins are left out.

    `low` and `high` are a bin's ends where widths are equal, else the least and greatest probability in it.
    """
    truth, said = _pair(labels, check_probabilities(probabilities))
    place = bin_places(said, binning, bins=bins)
    found = []
    for b in np.unique(place):
        mine = place == b
        low, high = (b / bins, (b + 1) / bins) if binning == "width" else (said[mine].min(), said[mine].max())
        means = float(said[mine].mean()), float(truth[mine].mean())
        found.append(ReliabilityBin(float(low), float(high), int(mine.sum()), *means))
    return found


def calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, binning: Binning = "width", bins: int = BINS
) -> float:
    """Return the expected calibration error: the bins' |said - so|, weighted by their counts (Naeini 2015)."""
    table = reliability(labels, probabilities, binning=binning, bins=bins)
    total = sum(row.count for row in table)
    if not total:
        raise UsageError("There is nothing to measure: no probabilities were given; give those of at least one study.")
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
        raise UsageError(
            f"similarity is {matrix.shape}; pair_recall needs (N, N) with partners on the diagonal; give it so."
        )
    own = np.diag(matrix)[:, None]
    better = (matrix >= own).sum(1) - 1
    found: NDArray[np.float64] = (better < k).astype(np.float64)
    return found


def _draws(patients: Patients, rows: int, repeats: int, seed: int) -> PatientDraws:
    if len(patients) != rows:
        raise UsageError(f"There are {rows} rows and {len(patients)} patients; give one patient a row.")
    return patient_draws(patients, repeats=repeats, seed=seed)


def _pair(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth, score = np.asarray(labels, float), np.asarray(scores, float)
    if truth.shape != score.shape:
        raise UsageError(f"Labels are {truth.shape} and scores {score.shape}; give one score a label.")
    if np.isnan(score).any():
        raise UsageError("A score is NaN; leave out the studies that abstained before measuring.")
    return truth, score
