"""Thresholds are chosen as their rules say, and never on the patients that they are applied to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.thresholds import (
    RULES,
    ThresholdRule,
    choose_threshold,
    nested_thresholds,
    patient_folds,
)

LABELS = [0, 0, 0, 1, 0, 1, 1, 1]
SCORES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_rules_by_hand() -> None:
    chosen = [choose_threshold(LABELS, SCORES, rule) for rule in RULES]
    assert chosen == [6.0, 4.0, 6.0, 4.0]  # J 3/4 at 6 and 4, of which 6 calls less; F1 8/9 at 4, 6/7 at 6
    assert choose_threshold(LABELS, SCORES, ThresholdRule("specificity", 0.75)) == 4.0
    assert choose_threshold(LABELS, SCORES, ThresholdRule("sensitivity", 0.5)) == 7.0


def test_nothing_is_called_where_that_serves_best_and_json_can_say_so() -> None:
    found = choose_threshold([0, 1], [2.0, 1.0], ThresholdRule("specificity", 1.0))
    assert found == math.nextafter(2.0, math.inf)
    assert math.isnan(choose_threshold([1, 1], [1.0, 2.0], RULES[0]))


def test_a_target_belongs_to_its_rule() -> None:
    assert [str(rule) for rule in RULES] == ["youden", "sensitivity >= 0.9", "specificity >= 0.9", "f1"]
    with pytest.raises(UsageError, match="takes a target"):
        ThresholdRule("sensitivity")
    with pytest.raises(UsageError, match="takes no target"):
        ThresholdRule("f1", 0.5)
    with pytest.raises(UsageError, match="give a share"):
        ThresholdRule("specificity", 90)


def test_folds_keep_patients_whole_and_share_out_those_with_a_positive() -> None:
    rng = np.random.default_rng(2)
    patients = rng.integers(0, 200, 900)
    labels = (patients < 23).astype(int)
    fold = patient_folds(labels, patients, folds=5, seed=7)
    assert all(len(set(fold[patients == one])) == 1 for one in set(patients))
    ill = [len(set(patients[(fold == one) & (labels == 1)])) for one in range(5)]
    whole = [len(set(patients[fold == one])) for one in range(5)]
    assert max(ill) - min(ill) <= 1
    assert max(whole) - min(whole) <= 1
    assert (patient_folds(labels, patients, seed=7) == fold).all()
    assert (patient_folds(labels, patients, seed=8) != fold).any()
    with pytest.raises(UsageError, match="at least 2"):
        patient_folds(labels, patients, folds=1)


def test_a_folds_threshold_knows_nothing_of_its_own_rows() -> None:
    rng = np.random.default_rng(6)
    labels, patients = rng.integers(0, 2, 120), rng.integers(0, 40, 120)
    scores = rng.normal(size=120) + labels
    fold = patient_folds(labels, patients)
    before = nested_thresholds(labels, scores, fold)
    for one in range(5):
        own = fold == one
        after = nested_thresholds(np.where(own, 1 - labels, labels), np.where(own, rng.normal(size=120), scores), fold)
        assert (after[one] == before[one]).all()
        assert (np.delete(after, one, 0) != np.delete(before, one, 0)).any()
