"""Operating points of a calibration: thresholds chosen on some studies, and what each achieves on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radseek.retrieval.evaluation.thresholds import ThresholdRule, choose_threshold

__all__ = ["CheckedPoint", "choose_points", "sensitivity_specificity"]


@dataclass(frozen=True, slots=True)
class CheckedPoint:
    """`probability >= threshold` is positive. `sensitivity` and `specificity` are of studies that did not choose it."""

    rule: ThresholdRule
    threshold: float
    sensitivity: float
    specificity: float

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-able values."""
        return {
            "rule": self.rule.name,
            "target": self.rule.target,
            "threshold": self.threshold,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
        }


def choose_points(
    rules: Sequence[ThresholdRule], chosen_on: tuple[ArrayLike, ArrayLike], checked_on: tuple[ArrayLike, ArrayLike]
) -> list[CheckedPoint]:
    """Return the point of each rule.

    Args:
        rules: what is wanted of thresholds.
        chosen_on: labels `(N,)` in 0, 1 and probabilities `(N,)`; both answers occur.
        checked_on: those of other studies; both answers occur.

    Returns:
        One point a rule, in their order.
    """
    points = []
    for rule in rules:
        threshold = min(choose_threshold(*chosen_on, rule), 1.0)
        points.append(CheckedPoint(rule, threshold, *sensitivity_specificity(*checked_on, threshold)))
    return points


def sensitivity_specificity(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> tuple[float, float]:
    """Return the shares of present `>= threshold` and of absent below it, of labels `(N,)` and probabilities `(N,)`."""
    truth, positive = np.asarray(labels) == 1, np.asarray(probabilities, np.float64) >= threshold
    return float(positive[truth].mean()), float((~positive)[~truth].mean())
