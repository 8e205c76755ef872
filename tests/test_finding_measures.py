"""Every measure of a finding against its definition written out as loops, and every draw against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, roc_auc_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_areas import drawn_areas
from radseek.retrieval.evaluation.estimate import estimate_of
from radseek.retrieval.evaluation.finding_measures import measure_finding, measure_findings
from radseek.retrieval.evaluation.metrics import calibration_error, macro_auroc
from radseek.retrieval.evaluation.operating_points import CALLED_MEASURES
from radseek.retrieval.evaluation.patient_draws import patient_draws
from radseek.retrieval.evaluation.thresholds import RULES, patient_folds
from tests import measures_support as naive

CLOSE = 1e-9


def a_case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A few rows with ties, unknown labels, missing scores and, now and then, one label only."""
    size = int(rng.integers(2, 40))
    labels = (rng.random(size) < rng.choice([0.05, 0.3, 0.5, 0.95])).astype(int)
    labels[rng.random(size) < 0.05] = -1
    scores = np.round(rng.normal(size=size) + labels, int(rng.integers(0, 3)))
    scores[rng.random(size) < 0.05] = np.nan
    patients = rng.integers(0, max(2, size // 2), size)
    said = np.round(rng.random(size), int(rng.integers(1, 4)))
    return labels, scores, patients, said


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=CLOSE, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("cases", [200, pytest.param(1000, marks=pytest.mark.sweep)])
def test_random_cases_agree_with_the_definitions(cases: int) -> None:
    rng = np.random.default_rng(15)
    one_class = unjudged = 0
    for _ in range(cases):
        labels, scores, patients, said = a_case(rng)
        known = (labels >= 0) & ~np.isnan(scores)
        y, s, p = labels[known].tolist(), scores[known].tolist(), said[known].tolist()
        if len(set(y)) < 2:
            one_class += 1
            with pytest.raises(UsageError, match="label 0 and rows with label 1"):
                measure_finding(labels, scores, patients, said, repeats=2)
            continue
        found = measure_finding(labels, scores, patients, said, repeats=2)
        assert (found.images, found.positives) == (len(y), sum(y))
        assert (found.unknown, found.images + found.unknown + found.abstained) == ((labels < 0).sum(), len(labels))
        assert (found.patients, found.calibrated) == (len(set(patients[known])), len(y))
        assert found.positive_patients == len(set(patients[known & (labels == 1)]))
        assert same(found.prevalence.value, sum(y) / len(y))
        assert same(found.auroc.value, naive.auroc(y, s))
        assert same(found.average_precision.value, naive.average_precision(y, s))
        assert found.brier
        assert same(found.brier.value, naive.brier(y, p))
        assert found.ece_width
        assert same(found.ece_width.value, naive.ece_width(y, p))
        assert found.ece_mass
        assert same(found.ece_mass.value, naive.ece_mass(y, p))
        for binning, wanted in (("width", naive.ece_width), ("mass", naive.ece_mass)):
            assert same(calibration_error(y, p, binning=binning), wanted(y, p))
        fold = patient_folds(np.where(known, labels, -1), patients)
        for rule, point in zip(RULES, found.points, strict=True):
            own = []
            for one in range(fold.max() + 1):
                others = known & (fold != one)
                own.append(naive.threshold(labels[others].tolist(), scores[others].tolist(), rule.name, rule.target))
            assert point.fold_thresholds == pytest.approx(own, nan_ok=True)
            assert point.threshold == naive.threshold(y, s, rule.name, rule.target)
            judged = [i for i in np.flatnonzero(known) if not math.isnan(own[fold[i]])]
            counts = naive.confusion(labels[judged].tolist(), [scores[i] >= own[fold[i]] for i in judged])
            called = point.true_positives, point.false_positives, point.false_negatives, point.true_negatives
            assert called == counts
            assert point.unjudged == len(y) - len(judged)
            unjudged += point.unjudged > 0
            for name, value in naive.called_measures(*counts).items():
                assert same(getattr(point.measures, name).value, value), name
    assert one_class > cases / 20
    assert unjudged > cases / 20


@pytest.mark.slow
def test_every_draw_is_what_scikit_learn_says_of_its_rows() -> None:
    rng = np.random.default_rng(3)
    left_out = 0
    for seed in range(12):
        labels, scores, patients, _ = a_case(rng)
        known = (labels >= 0) & ~np.isnan(scores)
        draws = patient_draws(patients, repeats=40, seed=seed)
        areas = drawn_areas(labels, scores, draws, known)
        for number, counts in enumerate(draws.counts):
            rows = np.repeat(np.flatnonzero(known), counts[draws.owner[known]])
            if len(np.unique(labels[rows])) < 2:
                assert np.isnan([areas.auroc[number], areas.average_precision[number]]).all()
                left_out += 1
                continue
            assert areas.auroc[number] == pytest.approx(roc_auc_score(labels[rows], scores[rows]), abs=CLOSE)
            precision = average_precision_score(labels[rows], scores[rows])
            assert areas.average_precision[number] == pytest.approx(precision, abs=CLOSE)
    assert left_out > 40


def test_draws_are_of_patients_and_the_order_of_rows_changes_nothing() -> None:
    patients = ["b", "a", "b", "c", "a", "b"]
    draws = patient_draws(patients, repeats=50, seed=4)
    assert draws.counts.shape == (51, 3)
    assert (draws.counts[0] == 1).all()
    assert (draws.counts.sum(axis=1) == 3).all()
    assert draws.owner.tolist() == [1, 0, 1, 2, 0, 1]
    columns = np.arange(12.0).reshape(6, 2)
    rows = np.repeat(np.arange(6), draws.counts[7][draws.owner])
    assert draws.sums(columns)[7] == pytest.approx(columns[rows].sum(axis=0), abs=CLOSE)
    rng = np.random.default_rng(0)
    labels, scores, people = rng.integers(0, 2, 60), rng.normal(size=60), rng.integers(0, 20, 60)
    mixed = rng.permutation(60)
    once = measure_finding(labels, scores, people, repeats=50)
    again = measure_finding(labels[mixed], scores[mixed], people[mixed], repeats=50)
    assert once.auroc == again.auroc
    assert [point.fold_thresholds for point in once.points] == [point.fold_thresholds for point in again.points]


def test_draws_with_one_label_are_left_out_and_counted() -> None:
    labels, scores, patients = [1, 0, 0, 0, 0, 0], [3.0, 1.0, 2.0, 0.0, 4.0, 1.0], range(6)
    found = measure_finding(labels, scores, patients, repeats=400, seed=1)
    lone = patient_draws(patients, repeats=400, seed=1).counts[1:, 0] == 0
    assert found.left_out == found.auroc.left_out == lone.sum() > 100
    assert found.prevalence.left_out == found.left_out
    assert found.points[0].unjudged == 2  # the fold of the only positive has no positive to learn from
    assert math.isnan(found.points[0].measures.sensitivity.value)


def test_ends_are_students_on_the_logit_scale() -> None:
    drawn = np.array([0.8, 0.7, 0.85, 0.9, np.nan, 0.75])
    found = estimate_of(drawn, 200, 60, rarer=12)
    logits = np.log(drawn[[1, 2, 3, 5]] / (1 - drawn[[1, 2, 3, 5]]))
    far = student.ppf(0.975, 11) * np.sqrt(np.mean((logits - logits.mean()) ** 2))
    ends = [1 / (1 + math.exp(-(math.log(0.8 / 0.2) + way * far))) for way in (-1, 1)]
    assert [found.low, found.high] == pytest.approx(ends)
    assert found.left_out == 1
    same_each = estimate_of(np.ones(9), 50, 50)
    assert (same_each.low, same_each.high) == (pytest.approx(beta.ppf(0.025, 50, 1)), 1.0)  # Clopper & Pearson
    none = estimate_of(np.zeros(9), 50, 50)
    assert (none.low, none.high) == (0.0, pytest.approx(beta.ppf(0.975, 1, 50)))
    difference = estimate_of(np.array([0.1, 0.0, 0.2]), 9, 1000, "difference")
    assert [difference.low, difference.high] == pytest.approx([0.1 - 0.1 * 1.9623, 0.1 + 0.1 * 1.9623], abs=1e-4)
    error = estimate_of(np.array([0.04, 0.06, 0.04]), 9, 1000, "error")  # resampling adds 0.01
    assert [error.low, error.high] == pytest.approx([0.03 - 0.01 * 1.9623, 0.03 + 0.01 * 1.9623], abs=1e-4)
    small = estimate_of(np.array([0.04, 0.10, 0.08]), 9, 1000, "error")
    assert (small.low, small.high) == (0.0, 0.04)  # -0.01 +- 0.02: never below 0, the value never outside
    assert math.isnan(estimate_of(np.array([np.nan, 0.5]), 9, 9).low)


def test_a_finding_is_measured_alike_alone_and_among_others() -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(-1, 2, (80, 3))
    labels[:, 1] = 0
    scores, said, patients = rng.normal(size=(80, 3)) + labels, rng.random((80, 3)), rng.integers(0, 30, 80)
    said[:, 2] = np.nan
    table = measure_findings(labels, scores, patients, said, repeats=30, seed=5)
    assert table.findings[1] is None
    assert table.findings[0] == measure_finding(labels[:, 0], scores[:, 0], patients, said[:, 0], repeats=30, seed=5)
    alone, other = table.findings[0], table.findings[2]
    assert alone
    assert other
    assert other.brier is None
    assert table.macro
    assert (table.macro.findings, table.macro.calibrated) == (2, 1)
    assert table.macro.auroc.value == pytest.approx((alone.auroc.value + other.auroc.value) / 2)
    assert table.macro.auroc == macro_auroc(labels, scores, patients, repeats=30, seed=5)
    assert table.macro.brier
    assert alone.brier
    assert table.macro.brier.value == alone.brier.value
    for place, (rule, point) in enumerate(table.macro.points.items()):
        assert rule == str(RULES[place])
        for name in CALLED_MEASURES:
            both = [getattr(one.points[place].measures, name).value for one in (alone, other)]
            assert getattr(point, name).value == pytest.approx(np.mean(both))
    assert measure_findings(np.zeros((4, 2), int), np.zeros((4, 2)), range(4), repeats=2).macro is None


def test_a_draw_without_a_rare_finding_still_has_a_mean() -> None:
    rng = np.random.default_rng(18)
    labels = np.column_stack([np.arange(40) == 0, np.arange(40) % 2]).astype(int)
    scores = rng.normal(size=(40, 2)) + labels
    found = measure_findings(labels, scores, range(40), repeats=200)
    rare, common = found.findings
    assert rare
    assert common
    assert found.macro
    assert rare.left_out > 40
    assert common.left_out == found.macro.auroc.left_out == 0
    assert found.macro.auroc == macro_auroc(labels, scores, range(40), repeats=200)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Labels are \(2, 1\), scores \(3, 1\)"):
        measure_finding([0, 1], [1.0, 2.0, 3.0], range(2))
    with pytest.raises(UsageError, match=r"patients \(3,\)"):
        measure_finding([0, 1], [1.0, 2.0], range(3))
    with pytest.raises(UsageError, match="not 1, 0 or -1"):
        measure_finding([0, 2], [1.0, 2.0], range(2))
    with pytest.raises(UsageError, match="outside 0 to 1"):
        measure_finding([0, 1], [1.0, 2.0], range(2), [0.5, 1.5])
    with pytest.raises(UsageError, match="no rows"):
        measure_finding([], [], [])


def test_a_share_counts_its_own_rows() -> None:
    """Ten with a finding among 310: what is said of the ten is known no better than of ten."""
    labels = np.array([1] * 10 + [0] * 300)
    scores = np.where(labels == 1, 1.0, 0.0)
    patients = np.arange(310)
    whole = measure_finding(labels, scores, patients, repeats=300).points[0].measures
    assert whole.sensitivity.value == whole.specificity.value == 1
    assert whole.sensitivity.low == pytest.approx(beta.ppf(0.025, 10, 1))  # Clopper & Pearson
    assert whole.specificity.low == pytest.approx(beta.ppf(0.025, 300, 1))
    assert (whole.sensitivity.count, whole.specificity.count) == (10, 300)
    scores[0] = -1  # one of the ten is missed
    nine = measure_finding(labels, scores, patients, repeats=300).points[0].measures.sensitivity
    assert nine.value == 0.9
    assert 0.5 < nine.low < 0.75  # exact: 0.555 to 0.997
    assert 0.95 < nine.high < 0.999
