"""The points that a finding's curves are drawn through: ROC, precision-recall, reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.thresholds import above

__all__ = ["CurvePoints", "precision_recall_points", "roc_points"]


@dataclass(frozen=True, slots=True, eq=False)
class CurvePoints:
    """Points `(M,)` of a curve, from the highest threshold down: what is called at each threshold or above it.

    ROC: `x` is 1 - specificity, `y` sensitivity. Precision-recall: `x` is recall, `y` precision.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_points(labels: ArrayLike, scores: ArrayLike) -> CurvePoints:
    """Return the corners of the ROC curve, from (0, 0), where nothing is called, to (1, 1).

    Args:
        labels: `(N,)` of 0 and 1.
        scores: `(N,)`, none of them NaN.

    Raises:
        UsageError: one of the labels is missing.
    """
    truth, score = _both(labels, scores)
    x, y, thresholds = roc_curve(truth, score)
    thresholds[0] = above(score)
    return CurvePoints(x, y, thresholds)


def precision_recall_points(labels: ArrayLike, scores: ArrayLike) -> CurvePoints:
    """Return precision at every recall: the steps whose area is the average precision.

    Args:
        labels: `(N,)` of 0 and 1.
        scores: `(N,)`, none of them NaN.

    Returns:
        The first point, recall 0 and precision 1, is where nothing is called.

    Raises:
        UsageError: one of the labels is missing.
    """
    truth, score = _both(labels, scores)
    precision, recall, thresholds = precision_recall_curve(truth, score, drop_intermediate=True)
    return CurvePoints(recall[::-1], precision[::-1], np.r_[above(score), thresholds[::-1]])


def _both(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    truth, score = np.asarray(labels) == 1, np.asarray(scores, np.float64)
    if truth.all() or not truth.any():
        raise UsageError("This curve cannot be drawn: it needs rows with label 0 and rows with label 1.")
    return truth, score
