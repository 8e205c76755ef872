"""Where to call a score "present", and how to choose that honestly: on patients other than those it is applied to.

A threshold that is chosen and judged on the same data flatters itself. `patient_folds` deals the patients into folds,
and `nested_thresholds` chooses each fold's threshold on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.patient_draws import Patients, owners

__all__ = ["RULES", "ThresholdRule", "above", "choose_threshold", "deal_folds", "nested_thresholds", "patient_folds"]


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """How a threshold is chosen; of thresholds that serve equally well the highest, which calls least.

    `youden`: sensitivity + specificity - 1 is greatest (Youden 1950). `sensitivity`, `specificity`: the other one is
    greatest where this one reaches `target`. `f1`: F1 is greatest.
    """

    name: Literal["youden", "sensitivity", "specificity", "f1"]
    target: float | None = None

    def __post_init__(self) -> None:
        if (self.target is not None) != (self.name in ("sensitivity", "specificity")):
            raise UsageError(f"A threshold by {self.name} takes {'a' if self.target is None else 'no'} target.")
        if self.target is not None and not 0 < self.target <= 1:
            raise UsageError(f"The target of {self.name} is {self.target}; give a share over 0, up to 1.")

    def __str__(self) -> str:
        return self.name if self.target is None else f"{self.name} >= {self.target:g}"


RULES: Final = (
    ThresholdRule("youden"),
    ThresholdRule("sensitivity", 0.9),
    ThresholdRule("specificity", 0.9),
    ThresholdRule("f1"),
)


def choose_threshold(labels: ArrayLike, scores: ArrayLike, rule: ThresholdRule) -> float:
    """Return the threshold that `rule` chooses: a score at it or above is called present.

    Args:
        labels: `(N,)` of 0 and 1.
        scores: `(N,)`, none of them NaN.
        rule: what is wanted of it.

    Returns:
        One of the scores, or the next number above the highest where calling nothing serves best; NaN where one
        class is missing.
    """
    return _chosen(np.asarray(labels), np.asarray(scores, np.float64), [rule])[0]


def above(scores: NDArray[np.float64]) -> float:
    """Return the threshold that calls nothing: the next number over the highest score, for JSON has no infinity."""
    return float(np.nextafter(scores.max(), np.inf))


def patient_folds(labels: ArrayLike, patients: Patients, *, folds: int = 5, seed: int = 0) -> NDArray[np.intp]:
    """Deal patients into folds, those with a positive first, so that every fold gets its share of them.

    Args:
        labels: `(N,)` of 0 and 1.
        patients: whose each row is, `(N,)`.
        folds: how many, at least 2.
        seed: the same seed deals the same way, in whatever order the rows come.

    Returns:
        The fold of each row, `(N,)`, from 0; all rows of a patient are in one.

    Raises:
        UsageError: fewer than two folds.
    """
    return deal_folds(labels, owners(patients), folds=folds, seed=seed)


def deal_folds(labels: ArrayLike, owner: NDArray[np.intp], *, folds: int = 5, seed: int = 0) -> NDArray[np.intp]:
    """Return `patient_folds` of rows whose patients are numbered: `owner (N,)`, of `PatientDraws`."""
    if folds < 2:
        raise UsageError(f"{folds} fold: a threshold is chosen on other folds than its own; ask for at least 2.")
    ill = np.bincount(owner, weights=np.asarray(labels) == 1) > 0
    shuffled = np.random.default_rng(seed).permutation(len(ill))
    dealt = np.empty(len(ill), np.intp)
    dealt[shuffled[np.argsort(~ill[shuffled], kind="stable")]] = np.arange(len(ill)) % folds
    return dealt[owner]


def nested_thresholds(
    labels: ArrayLike, scores: ArrayLike, fold: NDArray[np.intp], rules: Sequence[ThresholdRule] = RULES
) -> NDArray[np.float64]:
    """Return for each fold the threshold that each rule chooses on all the others: `(folds, rules)`.

    Args:
        labels: `(N,)` of 0 and 1; rows of any label below are left out.
        scores: `(N,)`, none of the others' NaN.
        fold: of each row, from `patient_folds`.
        rules: what is wanted of the thresholds.

    Returns:
        NaN where the other folds have one class only, so that nothing can be chosen.
    """
    truth, score = np.asarray(labels), np.asarray(scores, np.float64)
    others = ((fold != one) & (truth >= 0) for one in range(int(fold.max(initial=-1)) + 1))
    return np.array([_chosen(truth[one], score[one], rules) for one in others])


def _chosen(truth: NDArray[Any], score: NDArray[np.float64], rules: Sequence[ThresholdRule]) -> list[float]:
    positives = int((truth == 1).sum())
    if positives in (0, len(truth)):
        return [float("nan")] * len(rules)
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # of the rows that share a score
    # Whole numbers, so that equal merits are equal; the first threshold calls nothing.
    true = np.r_[0, np.cumsum(truth[order] == 1)[last]]
    false = np.r_[0, last + 1] - true
    thresholds = np.r_[above(score), score[order][last]]
    return [float(thresholds[_place(rule, true, false)]) for rule in rules]


def _place(rule: ThresholdRule, true: NDArray[np.int64], false: NDArray[np.int64]) -> int:
    """Return which threshold, from the highest, a rule takes; `true` and `false` count what each calls present."""
    positives, negatives = true[-1], false[-1]
    if rule.name == "youden":
        return int(np.argmax(true * negatives - false * positives))
    if rule.name == "f1":
        return int(np.argmax(2 * true / (true + false + positives)))
    if rule.name == "sensitivity":
        return int(np.argmax(true / positives >= rule.target))
    reached = np.flatnonzero((negatives - false) / negatives >= rule.target)
    return int(np.flatnonzero(true == true[reached[-1]])[0])
