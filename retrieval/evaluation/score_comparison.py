"""Do two score columns differ on the same cases: two encoders, two prompt sets, two ways of pooling?

Where every case is of another patient, DeLong's test of two correlated AUROCs (DeLong 1988, in the O(n log n) form of
Sun & Xu 2014); otherwise, and for average precision, the spread of the difference over resamples of patients, both
columns measured on the same draw. Over many findings p values are adjusted by Holm's step-down method (Holm 1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr
from scipy.stats import rankdata

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_areas import DrawnAreas, drawn_areas
from radseek.retrieval.evaluation.drawn_measures import FindingRows
from radseek.retrieval.evaluation.estimate import Estimate, estimate_of, reach
from radseek.retrieval.evaluation.patient_draws import PatientDraws, Patients, patient_draws

__all__ = ["ScoreComparison", "compare_findings", "compare_macro", "compare_scores", "delong", "holm"]

AreaName = Literal["auroc", "average_precision"]
_ONE_CLASS: Final = "This cannot be compared: both scores need rows with label 0 and rows with label 1."
_Z: Final = float(ndtri(0.975))


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """Two score columns on the rows that both score.

    `difference` is second minus first. `p`: of no difference, two-sided, by `method`. `adjusted`: Holm's p over the
    findings that were compared together; `p` itself where one alone was.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p: float
    method: Literal["delong", "bootstrap"]
    adjusted: float


def delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Return the difference of two AUROCs, second minus first, and its standard error.

    Args:
        labels: `(N,)` of 0 and 1, independent cases, at least two of each.
        first: one score a case, `(N,)`.
        second: another score of the same cases, `(N,)`.

    Raises:
        UsageError: fewer than two cases of either label.
    """
    truth, scores = np.asarray(labels) == 1, np.stack([np.asarray(one, np.float64) for one in (first, second)])
    ill, well = scores[:, truth], scores[:, ~truth]
    m, n = ill.shape[1], well.shape[1]
    if min(m, n) < 2:
        raise UsageError(f"DeLong's test needs two cases of each label; these are {m} with 1 and {n} with 0.")
    ranks = rankdata(scores, axis=1)
    # The share of negatives that each positive beats, and of positives that beat each negative.
    won = (ranks[:, truth] - rankdata(ill, axis=1)) / n
    lost = 1.0 - (ranks[:, ~truth] - rankdata(well, axis=1)) / m
    difference = won[1] - won[0], lost[1] - lost[0]
    error = math.sqrt(np.var(difference[0], ddof=1) / m + np.var(difference[1], ddof=1) / n)
    return float(difference[0].mean()), error


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return `p_values (F,)` adjusted for being F; one that is NaN was not tested, and stays so."""
    values = np.asarray(p_values, np.float64)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def compare_scores(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: Patients,
    *,
    area: AreaName = "auroc",
    repeats: int = 1000,
    seed: int = 0,
) -> ScoreComparison:
    """Compare two score columns of one finding.

    Args:
        labels: `(N,)`: 1 present, 0 absent, -1 not known.
        first: `(N,)`, NaN where there is none; rows that lack either score are left out.
        second: `(N,)`.
        patients: whose each row is, `(N,)`.
        area: what is compared.
        repeats: how many resamples of patients.
        seed: of the resamples.

    Raises:
        UsageError: no row, columns of different lengths, or not both labels among the rows that both score.
    """
    truth, one, other = (np.asarray(column, np.float64)[:, None] for column in (labels, first, second))
    (found,) = compare_findings(truth, one, other, patients, area=area, repeats=repeats, seed=seed)
    if found is None:
        raise UsageError(_ONE_CLASS)
    return found


def compare_findings(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: Patients,
    *,
    area: AreaName = "auroc",
    repeats: int = 1000,
    seed: int = 0,
) -> tuple[ScoreComparison | None, ...]:
    """Compare two score columns of each of F findings, p values adjusted over them.

    Args:
        labels: `(N, F)`: 1 present, 0 absent, -1 not known.
        first: `(N, F)`, NaN where there is none.
        second: `(N, F)`.
        patients: whose each row is, `(N,)`.
        area: what is compared.
        repeats: how many resamples of patients.
        seed: of the resamples.

    Returns:
        One a finding, None where the rows that both score lack a label.

    Raises:
        UsageError: no row, or arrays of different shapes.
    """
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    pairs = zip(FindingRows.of(labels, first, patients), FindingRows.of(labels, second, patients), strict=True)
    found = [_compared(one, other, draws, area) for one, other in pairs]
    adjusted = holm([np.nan if one is None else one.p for one in found])
    return tuple(one and replace(one, adjusted=float(p)) for one, p in zip(found, adjusted, strict=True))


def compare_macro(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: Patients,
    *,
    area: AreaName = "auroc",
    repeats: int = 1000,
    seed: int = 0,
) -> ScoreComparison:
    """Compare two score columns by the mean over findings, patients resampled for all of them together.

    The arguments are those of `compare_findings`. A finding that a draw cannot measure is left out of that draw's mean.

    Raises:
        UsageError: no row, arrays of different shapes, or no finding with both labels among the rows that both score.
    """
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    totals, measured = np.zeros((2, len(draws.counts))), np.zeros(len(draws.counts))
    for one, other in zip(
        FindingRows.of(labels, first, patients), FindingRows.of(labels, second, patients), strict=True
    ):
        areas = np.stack([getattr(drawn, area) for drawn in _both_areas(one, other, draws)])
        totals, measured = totals + np.nan_to_num(areas), measured + ~np.isnan(areas[0])
    if not measured[0]:
        raise UsageError(_ONE_CLASS)
    before, after = np.divide(totals, measured, out=np.full(totals.shape, np.nan), where=measured > 0)
    return _by_draws(before, after, (len(draws.owner), draws.patients), draws.patients)


def _compared(one: FindingRows, other: FindingRows, draws: PatientDraws, area: AreaName) -> ScoreComparison | None:
    known = one.known & other.known
    truth = one.labels[known]
    if len(np.unique(truth)) < 2:
        return None
    first, second = (getattr(drawn, area) for drawn in _both_areas(one, other, draws))
    rarer = draws.rarer(known & (one.labels == 1), known & (one.labels == 0))
    size = int(known.sum()), draws.owners_of(known)
    found = _by_draws(first, second, size, rarer)
    if area != "auroc" or size[0] != size[1] or rarer < 2:
        return found
    gap, error = delong(truth, one.scores[known], other.scores[known])
    difference = replace(found.difference, low=gap - _Z * error, high=gap + _Z * error, left_out=0)
    return replace(found, difference=difference, p=_p(gap, error, np.inf), method="delong")


def _both_areas(one: FindingRows, other: FindingRows, draws: PatientDraws) -> list[DrawnAreas]:
    known = one.known & other.known
    return [drawn_areas(rows.labels, rows.scores, draws, known) for rows in (one, other)]


def _by_draws(
    first: NDArray[np.float64], second: NDArray[np.float64], size: tuple[int, int], rarer: int
) -> ScoreComparison:
    before, after = (estimate_of(values, *size, rarer=rarer) for values in (first, second))
    difference = estimate_of(second - first, *size, "difference", rarer=rarer)
    error = (difference.high - difference.low) / (2 * reach(rarer))
    p = _p(difference.value, error, max(rarer - 1, 1))
    return ScoreComparison(before, after, difference, p, "bootstrap", p)


def _p(gap: float, error: float, freedom: float) -> float:
    """Return two-sided p of no gap; infinitely many degrees of freedom make Student's t the normal distribution."""
    if error == 0:  # no case speaks for either, or every case equally for the same one
        return 1.0 if gap == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(gap) / error))
