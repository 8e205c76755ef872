"""The metrics against scikit-learn, brute force, and cases with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.metrics import (
    accuracy,
    auroc,
    bootstrap,
    calibration_error,
    macro_auroc,
    ndcg,
    pair_recall,
    reliability,
)


def _pairs_won(labels: list[int], scores: list[float]) -> float:
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for (x, a), (y, b) in itertools.product(zip(labels, scores, strict=True), repeat=2)
        if x == 1 and y == 0
    ]
    return sum(wins) / len(wins)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=25))
@settings(max_examples=60, deadline=None)
def test_auroc_is_the_share_of_pairs_won(rows: list[tuple[int, int]]) -> None:
    labels, scores = [r[0] for r in rows], [float(r[1]) for r in rows]
    if len(set(labels)) < 2:
        with pytest.raises(UsageError, match="label 0"):
            auroc(labels, scores, repeats=3)
    else:
        assert auroc(labels, scores, repeats=3).value == pytest.approx(_pairs_won(labels, scores))


@pytest.mark.slow
def test_interval_widens_when_images_share_patients() -> None:
    rng = np.random.default_rng(1)
    effect = rng.normal(size=60)
    label = np.repeat(rng.integers(0, 2, 60), 10)
    score = np.repeat(effect, 10) + label + 0.1 * rng.normal(size=600)
    alone = auroc(label, score)
    together = auroc(label, score, np.repeat(np.arange(60), 10))
    assert together.patients == 60
    assert alone.count == together.count == 600
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.slow
def test_bootstrap_covers_a_known_mean() -> None:
    inside = 0
    for seed in range(60):
        values = np.random.default_rng(seed).normal(loc=2.0, size=80)
        found = bootstrap(lambda rows, v=values: float(v[rows].mean()), range(80), repeats=300)
        inside += found.low <= 2.0 <= found.high
    assert 50 <= inside <= 60  # 95 % nominal


def test_macro_auroc_ignores_unknown_labels() -> None:
    labels = np.array([[1, 0], [0, -1], [1, 1], [0, 0]])
    scores = np.array([[2.0, 1.0], [1.0, 9.0], [3.0, 2.0], [0.0, 0.0]])
    assert macro_auroc(labels, scores, range(4), repeats=20).value == 1.0


def test_calibration_error_of_known_tables() -> None:
    assert calibration_error([0, 1, 0, 1], [0.5] * 4) == pytest.approx(0.0)
    assert calibration_error([0, 0, 0, 0], [0.9] * 4) == pytest.approx(0.9)
    assert calibration_error([1, 0, 0, 0, 1], [1.0, 0.0, 0.0, 0.0, 1.0]) == 0.0
    table = reliability([0, 1, 1], [0.05, 0.95, 1.0])
    assert [(row.count, row.frequency) for row in table] == [(1, 0.0), (2, 1.0)]


def test_ndcg_by_hand_and_where_nothing_is_relevant() -> None:
    found = ndcg([[1, 0, 1], [0, 0, 0]], [[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]], k=2)
    assert found[0] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert np.isnan(found[1])


def test_pair_recall_counts_ties_against() -> None:
    assert pair_recall(np.eye(4), k=1).tolist() == [1.0] * 4
    assert pair_recall(np.ones((4, 4)), k=3).tolist() == [0.0] * 4
    assert pair_recall(np.ones((4, 4)), k=4).tolist() == [1.0] * 4


def test_accuracy_and_bad_calls() -> None:
    assert accuracy(["a", "b"], ["a", "c"], repeats=10).value == 0.5
    with pytest.raises(UsageError, match="one score a label"):
        auroc([0, 1], [0.5])
    with pytest.raises(UsageError, match="NaN"):
        auroc([0, 1], [0.5, float("nan")])
    with pytest.raises(UsageError, match="outside 0 to 1"):
        reliability([1], [1.5])
    with pytest.raises(UsageError, match="nothing to measure"):
        auroc([], [])
    with pytest.raises(UsageError, match="2 rows and 3 patients"):
        auroc([0, 1], [0.5, 0.6], range(3))
    with pytest.raises(UsageError, match="diagonal"):
        pair_recall(np.ones((2, 3)))
