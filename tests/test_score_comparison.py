"""Comparisons of two score columns: DeLong's test against its definition, the bootstrap, and Holm's adjustment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.score_comparison import compare_findings, compare_macro, compare_scores, delong, holm
from tests import measures_support as naive


def delong_by_hand(labels: list[int], first: list[float], second: list[float]) -> tuple[float, float]:
    """Structural components (DeLong 1988, equations 4 to 6), pair by pair."""

    def won(a: float, b: float) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    def covariance(one: list[float], other: list[float]) -> float:
        means = sum(one) / len(one), sum(other) / len(other)
        return sum((a - means[0]) * (b - means[1]) for a, b in zip(one, other, strict=True)) / (len(one) - 1)

    areas, of_ill, of_well = [], [], []
    for scores in (first, second):
        ill = [s for y, s in zip(labels, scores, strict=True) if y]
        well = [s for y, s in zip(labels, scores, strict=True) if not y]
        areas.append(naive.auroc(labels, scores))
        of_ill.append([sum(won(a, b) for b in well) / len(well) for a in ill])
        of_well.append([sum(won(a, b) for a in ill) / len(ill) for b in well])
    variance = 0.0
    for sign, one, other in ((1, 0, 0), (1, 1, 1), (-2, 0, 1)):
        variance += sign * covariance(of_ill[one], of_ill[other]) / len(of_ill[0])
        variance += sign * covariance(of_well[one], of_well[other]) / len(of_well[0])
    return areas[1] - areas[0], math.sqrt(max(variance, 0.0))


def test_delong_is_its_definition() -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        size = int(rng.integers(4, 20))
        labels = np.r_[0, 0, 1, 1, rng.integers(0, 2, size)]
        scores = np.round(rng.normal(size=(2, size + 4)) + labels, int(rng.integers(0, 3)))
        wanted = delong_by_hand(labels.tolist(), *scores.tolist())
        found = delong(labels, *scores)
        assert found[0] == pytest.approx(wanted[0], abs=1e-9)
        assert found[1] ** 2 == pytest.approx(wanted[1] ** 2, abs=1e-9)
    with pytest.raises(UsageError, match="two cases of each label"):
        delong([0, 1, 1], [1, 2, 3], [1, 2, 3])


def test_independent_cases_are_compared_by_delong_and_others_by_patient() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 150)
    first, second = (rng.normal(size=150) + shift * labels for shift in (0.4, 1.4))
    found = compare_scores(labels, first, second, range(150), repeats=200)
    gap, error = delong(labels, first, second)
    assert found.method == "delong"
    assert found.difference.value == pytest.approx(gap, abs=1e-12)
    assert found.difference.value == pytest.approx(found.second.value - found.first.value)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (gap - 1.959964 * error, gap + 1.959964 * error)
    )
    assert found.p == pytest.approx(2 * norm.sf(gap / error))
    assert found.p < 0.01
    shared = compare_scores(labels, first, second, np.arange(150) // 2, repeats=200)
    assert shared.method == "bootstrap"
    assert shared.difference.value == pytest.approx(gap)
    assert (shared.p < 0.05) == (shared.difference.low > 0)
    precision = compare_scores(labels, first, second, range(150), area="average_precision", repeats=200)
    assert precision.method == "bootstrap"
    y = labels.tolist()
    gained = naive.average_precision(y, second.tolist()) - naive.average_precision(y, first.tolist())
    assert precision.difference.value == pytest.approx(gained, abs=1e-9)


def test_the_bootstrap_of_independent_cases_agrees_with_delong() -> None:
    rng = np.random.default_rng(12)
    labels = rng.integers(0, 2, 400)
    first, second = (rng.normal(size=400) + labels for _ in range(2))
    alone = compare_scores(labels, first, second, range(400))
    shared = compare_scores(np.r_[labels, labels], np.r_[first, first], np.r_[second, second], [*range(400)] * 2)
    assert (alone.method, shared.method) == ("delong", "bootstrap")
    widths = [one.difference.high - one.difference.low for one in (alone, shared)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)  # a case shown twice tells nothing new


def test_equal_scores_do_not_differ_and_a_sure_gap_does() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    for patients in (range(6), [0, 0, 1, 2, 3, 3]):
        same = compare_scores(labels, [1, 2, 3, 3, 4, 5], [10, 20, 30, 30, 40, 50], patients, repeats=50)
        assert (same.difference.value, same.p, same.adjusted) == (0.0, 1.0, 1.0)
        sure = compare_scores(labels, [9, 9, 9, 1, 1, 1], labels, patients, repeats=50)
        assert (sure.first.value, sure.second.value, sure.p) == (0.0, 1.0, 0.0)


def test_rows_that_either_score_lacks_are_left_out() -> None:
    labels = [0, 0, 0, 1, 1, 1, -1, 1]
    first, second = [1, 2, 3, 2, 3, 4, 9, np.nan], [1, np.nan, 3, 4, 5, 6, 9, 0]
    found = compare_scores(labels, first, second, range(8), repeats=20)
    assert found.first.count == found.second.count == 5
    assert found.first.value == naive.auroc([0, 0, 1, 1, 1], [1, 3, 2, 3, 4])
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_scores([0, 1], [1, np.nan], [1, 2], range(2), repeats=5)


def test_means_over_findings_are_compared_on_the_same_draws() -> None:
    rng = np.random.default_rng(14)
    labels, patients = rng.integers(-1, 2, (200, 3)), np.arange(200) // 2
    labels[:, 1] = 0
    first = rng.normal(size=(200, 3)) + 0.5 * labels
    second = first + 0.3 * rng.normal(size=(200, 3)) + labels
    found = compare_macro(labels, first, second, patients, repeats=100)
    for value, scores in ((found.first, first), (found.second, second)):
        areas = [naive.auroc(*(column[labels[:, c] >= 0, c].tolist() for column in (labels, scores))) for c in (0, 2)]
        assert value.value == pytest.approx(np.mean(areas), abs=1e-9)
    assert found.difference.value == pytest.approx(found.second.value - found.first.value)
    assert found.p == found.adjusted < 0.001
    assert compare_macro(labels, first, first, patients, repeats=9).p == 1.0
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_macro(labels[:, 1:2], first[:, 1:2], second[:, 1:2], patients, repeats=9)


def test_holm_by_hand_and_over_findings() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Wikipedia's example
    assert holm([0.5, np.nan, 0.6]).tolist() == pytest.approx([1.0, np.nan, 1.0], nan_ok=True)
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, (120, 3))
    labels[:, 1] = 1
    found = compare_findings(
        labels, rng.normal(size=(120, 3)), labels + rng.normal(size=(120, 3)), range(120), repeats=9
    )
    assert found[1] is None
    tested = [one for one in found if one]
    assert [one.adjusted for one in tested] == holm([one.p for one in tested]).tolist()
    assert tested[0].adjusted > tested[0].p
