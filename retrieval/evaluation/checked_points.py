"""Operating points: thresholds chosen on some studies, and what each achieves on others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

__all__ = ["CheckedPoint", "PointRule", "choose_points", "sensitivity_specificity"]

PointRule = Literal["youden", "sensitivity", "specificity"]
_NEAR = 1e-12  # a share's last bit


@dataclass(frozen=True, slots=True)
class CheckedPoint:
    """`probability >= threshold` is positive. `sensitivity` and `specificity` are of studies that did not choose it.

    `rule`: the largest Youden index, or the best of the other where `target` is reached.
    """

    rule: PointRule
    target: float | None
    threshold: float
    sensitivity: float
    specificity: float

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-able values."""
        return asdict(self)


def choose_points(
    chosen_on: tuple[ArrayLike, ArrayLike],
    checked_on: tuple[ArrayLike, ArrayLike],
    *,
    sensitivity: float | None = None,
    specificity: float | None = None,
) -> list[CheckedPoint]:
    """Return Youden's point (Youden 1950), and one for each target that is given.

    Args:
        chosen_on: labels `(N,)` in 0, 1 and probabilities `(N,)`; both answers occur.
        checked_on: those of other studies; both answers occur.
        sensitivity: a target; of the thresholds that reach it, the one of the highest specificity.
        specificity: a target; of the thresholds that reach it, the one of the highest sensitivity.

    Returns:
        The points, Youden's first.
    """
    false, true, thresholds = roc_curve(*map(np.asarray, chosen_on), drop_intermediate=False)
    rules: list[tuple[PointRule, float | None, int]] = [("youden", None, int(np.argmax(true - false)))]
    if sensitivity is not None:
        rules.append(("sensitivity", sensitivity, int(np.argmax(true >= sensitivity - _NEAR))))
    if specificity is not None:
        rules.append(("specificity", specificity, int(np.flatnonzero(1 - false >= specificity - _NEAR)[-1])))
    points = []
    for rule, target, at in rules:
        threshold = float(min(thresholds[at], 1.0))  # the first is infinite: nothing is positive
        points.append(CheckedPoint(rule, target, threshold, *sensitivity_specificity(*checked_on, threshold)))
    return points


def sensitivity_specificity(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> tuple[float, float]:
    """Return the shares of present `>= threshold` and of absent below it, of labels `(N,)` and probabilities `(N,)`."""
    truth, positive = np.asarray(labels) == 1, np.asarray(probabilities, np.float64) >= threshold
    return float(positive[truth].mean()), float((~positive)[~truth].mean())
