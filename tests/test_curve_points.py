"""Curves are drawn through the points that their areas are taken of."""

from __future__ import annotations

import json

import numpy as np
import pytest

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.curve_points import precision_recall_points, roc_points
from radseek.retrieval.evaluation.metrics import auroc, reliability
from tests import measures_support as naive


def test_areas_under_the_points_are_those_that_are_measured() -> None:
    rng = np.random.default_rng(31)
    for _ in range(50):
        labels = np.r_[0, 1, rng.integers(0, 2, 30)]
        scores = np.round(rng.normal(size=32) + labels, int(rng.integers(0, 3)))
        roc, steps = roc_points(labels, scores), precision_recall_points(labels, scores)
        assert np.trapezoid(roc.y, roc.x) == pytest.approx(auroc(labels, scores, repeats=1).value, abs=1e-9)
        area = np.sum(np.diff(steps.x) * steps.y[1:])
        assert area == pytest.approx(naive.average_precision(labels.tolist(), scores.tolist()), abs=1e-9)


def test_each_point_is_what_its_threshold_calls() -> None:
    labels, scores = [0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.4]
    roc = roc_points(labels, scores)
    for x, y, threshold in zip(roc.x, roc.y, roc.thresholds, strict=True):
        tp, fp, fn, tn = naive.confusion(labels, [score >= threshold for score in scores])
        assert (x, y) == (pytest.approx(fp / (fp + tn)), pytest.approx(tp / (tp + fn)))
    steps = precision_recall_points(labels, scores)
    assert (steps.x[0], steps.y[0]) == (0.0, 1.0)
    for x, y, threshold in zip(steps.x[1:], steps.y[1:], steps.thresholds[1:], strict=True):
        tp, fp, fn, _ = naive.confusion(labels, [score >= threshold for score in scores])
        assert (x, y) == (pytest.approx(tp / (tp + fn)), pytest.approx(tp / (tp + fp)))
    assert json.dumps([*roc.thresholds, *steps.thresholds], allow_nan=False)
    with pytest.raises(UsageError, match="cannot be drawn"):
        roc_points([1, 1], [1.0, 2.0])


def test_bins_of_equal_mass_hold_as_many_each() -> None:
    said = np.random.default_rng(2).beta(1, 8, 500)
    table = reliability(said > 0.1, said, binning="mass")
    assert [row.count for row in table] == [50] * 10
    assert all(row.low <= row.mean_probability <= row.high for row in table)
    assert [row.high for row in table][:-1] < [row.low for row in table][1:]
    tied = reliability([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.9], binning="mass")
    assert [(row.count, row.low, row.high) for row in tied] == [(3, 0.2, 0.2), (1, 0.9, 0.9)]
