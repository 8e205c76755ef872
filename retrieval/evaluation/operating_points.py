"""What follows from calling scores present or absent: confusion counts and what is read off them.

Rows are judged by thresholds that were chosen on other folds of patients; the counts are pooled over the folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.evaluation.estimate import Estimate
from radseek.retrieval.evaluation.thresholds import ThresholdRule

__all__ = [
    "CALLED_MEASURES",
    "CalledMeasures",
    "OperatingPoint",
    "call_rows",
    "called_measures",
    "denominators",
]


@dataclass(frozen=True, slots=True)
class CalledMeasures:
    """Shares of what was called rightly; `f1` is that of the positive class, never weighted by class (trap T6)."""

    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    f1: Estimate
    balanced_accuracy: Estimate


CALLED_MEASURES = tuple(field.name for field in fields(CalledMeasures))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One rule's thresholds, and what they call on folds of patients that they were not chosen on.

    `threshold`: what the rule chooses on all rows, for use on other data; no figure here comes of it.
    `fold_thresholds`: a threshold a fold, chosen on the other folds, NaN where that was not possible; `unjudged` rows
    are in such folds. Intervals hold the thresholds fixed: they say what these do on other patients.
    """

    rule: ThresholdRule
    threshold: float
    fold_thresholds: tuple[float, ...]
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    unjudged: int
    measures: CalledMeasures


def call_rows(
    scores: NDArray[np.float64], fold: NDArray[np.intp], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what each rule calls present, `(N, rules)`, and which rows can be judged at all, `(N,)`.

    Args:
        scores: `(N,)`.
        fold: of each row.
        thresholds: `(folds, rules)`, those that each fold's rows are held against.
    """
    own = thresholds[fold]
    return scores[:, None] >= own, np.asarray(~np.isnan(own).any(axis=1))


def denominators(
    ill: NDArray[np.bool_], well: NDArray[np.bool_], called: NDArray[np.bool_]
) -> Mapping[str, NDArray[np.bool_]]:
    """Return which of N judged rows each measure of `CALLED_MEASURES` is a share of: those that its interval counts.

    F1 and balanced accuracy are no shares of one set of rows; the positives, which both rest on, count.

    Args:
        ill: judged positives, `(N,)`.
        well: judged negatives.
        called: what is called present.
    """
    judged = ill | well
    shares = {"sensitivity": ill, "specificity": well, "ppv": called & judged, "npv": judged & ~called}
    return {**shares, "f1": ill, "balanced_accuracy": ill}


def called_measures(
    true: NDArray[np.float64],
    false: NDArray[np.float64],
    positives: NDArray[np.float64],
    negatives: NDArray[np.float64],
) -> Mapping[str, NDArray[np.float64]]:
    """Return the six measures of `CALLED_MEASURES` for counts of any one shape, NaN where they are not defined.

    Args:
        true: positives that are called present.
        false: negatives that are called present.
        positives: how many there are.
        negatives: how many there are.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = true / positives, (negatives - false) / negatives
        missed, spared = positives - true, negatives - false
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": true / (true + false),
            "npv": spared / (spared + missed),
            "f1": 2 * true / (2 * true + false + missed),
            "balanced_accuracy": (sensitivity + specificity) / 2,
        }
