"""Fits of margins to labels: temperature, Platt or isotonic, by how many studies of the rarer answer there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.probability_maps import IsotonicMap, LogisticMap, ProbabilityMap

__all__ = ["FEWEST", "Method", "fit_isotonic", "fit_platt", "fit_probability", "fit_temperature", "method_for"]

Method = Literal["temperature", "platt", "isotonic"]

# Ten of the rarer answer for each number that is fitted (Peduzzi et al. 1996, J Clin Epidemiol 49:1373).
FEWEST = 10
_FEWEST_PLATT = 20
# Isotonic regression overfits below about a thousand cases (Niculescu-Mizil & Caruana 2005); each answer has its share.
_FEWEST_ISOTONIC, _CASES_ISOTONIC = 200, 1_000
_LEVEL = 12  # decimals to which steps of one height agree
_STEEPEST = 1e4  # of the temperature's slope, in units of the margins' spread


def method_for(labels: ArrayLike) -> Method:
    """Return how labels `(N,)` in 0, 1 are fitted.

    Temperature from 10 of the rarer answer, Platt from 20, isotonic from 200 among at least 1,000 cases. Raises
    `UsageError` for fewer.
    """
    truth = np.asarray(labels, np.int64)
    rarer = min(int(truth.sum()), len(truth) - int(truth.sum()))
    if rarer < FEWEST:
        raise UsageError(f"A fit needs {FEWEST} labels of either answer, and of the rarer there are {rarer}.")
    if rarer < _FEWEST_PLATT:
        return "temperature"
    return "isotonic" if rarer >= _FEWEST_ISOTONIC and len(truth) >= _CASES_ISOTONIC else "platt"


def fit_probability(method: Method, margins: ArrayLike, labels: ArrayLike) -> ProbabilityMap:
    """Return the map of a method, fitted on margins `(N,)` and labels `(N,)` in 0, 1, both of which occur."""
    fits: dict[Method, Callable[[ArrayLike, ArrayLike], ProbabilityMap]]
    fits = {"temperature": fit_temperature, "platt": fit_platt, "isotonic": fit_isotonic}
    return fits[method](margins, labels)


def fit_platt(margins: ArrayLike, labels: ArrayLike) -> LogisticMap:
    """Return Platt's two numbers: an unregularised logistic regression on his smoothed targets (Platt 1999).

    Smoothed, they stay finite where the margins tell the answers apart without a fault.
    """
    from sklearn.linear_model import LogisticRegression  # late: a second, and only fitting needs it

    x, targets, centre, spread = _standardised(margins, labels)
    count = len(x)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1_000)
    model.fit(np.r_[x, x][:, None], np.r_[np.ones(count), np.zeros(count)], np.r_[targets, 1 - targets])
    slope = float(model.coef_[0, 0]) / spread
    return LogisticMap(slope, float(model.intercept_[0]) - slope * centre)


def fit_temperature(margins: ArrayLike, labels: ArrayLike) -> LogisticMap:
    """Return one fitted number, the temperature (Guo et al. 2017), of margins seen from the middle of the two answers.

    `logit = (margin - middle) / T + log(present / absent)`: the form of a linear discriminant, whose offset the means
    and the counts give, so that few studies of one answer need to fix the slope alone.
    """
    from scipy.optimize import minimize_scalar

    x, targets, centre, spread = _standardised(margins, labels)
    present = np.asarray(labels, np.int64) == 1
    middle = (x[present].mean() + x[~present].mean()) / 2
    offset = float(np.log(present.sum() / (~present).sum()))

    def loss(log_slope: float) -> float:
        logit = np.exp(log_slope) * (x - middle) + offset
        return float(np.mean(np.logaddexp(0, logit) - targets * logit))

    found = minimize_scalar(loss, bounds=(-np.log(_STEEPEST), np.log(_STEEPEST)), method="bounded")
    slope = float(np.exp(found.x)) / spread
    return LogisticMap(slope, offset - slope * (float(middle) * spread + centre))


def fit_isotonic(margins: ArrayLike, labels: ArrayLike) -> IsotonicMap:
    """Return the never-falling map that is nearest to Platt's smoothed targets, its steps joined at their centres.

    Isotonic regression (Zadrozny & Elkan 2002) on targets that are not 0 or 1, so no probability is. Its steps would
    tie studies that the margins order; centred (Oron & Flournoy 2017), the map rises from the mean margin of one step
    to that of the next, and ties only beyond the outermost.
    """
    from scipy.optimize import isotonic_regression

    x, place, counts = np.unique(np.asarray(margins, np.float64), return_inverse=True, return_counts=True)
    found = isotonic_regression(np.bincount(place, _targets(labels)) / counts, weights=counts)
    heights, step = np.unique(found.x.round(_LEVEL), return_inverse=True)
    centres = np.bincount(step, x * counts) / np.bincount(step, counts)
    return IsotonicMap(tuple(centres.tolist()), tuple(np.clip(heights, 0, 1).tolist()))


def _targets(labels: ArrayLike) -> NDArray[np.float64]:
    """Return Platt's targets: `(n+ + 1) / (n+ + 2)` for present and `1 / (n- + 2)` for absent."""
    truth = np.asarray(labels, np.int64)
    present = int(truth.sum())
    return np.where(truth == 1, (present + 1) / (present + 2), 1 / (len(truth) - present + 2))


def _standardised(
    margins: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Return margins in units of their spread about their mean, Platt's targets, and that mean and spread."""
    x = np.asarray(margins, np.float64)
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    return (x - centre) / spread, _targets(labels), centre, spread
