"""Fits, conformal thresholds and operating points, against other ways of computing them and by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation import calibration_fit
from radseek.retrieval.evaluation.calibration_fit import Aims, Fit, LabelledGroup, Unfit, fit_group, three_parts
from radseek.retrieval.evaluation.checked_points import choose_points, sensitivity_specificity
from radseek.retrieval.evaluation.conformal import accepted, conformal_rank, conformal_thresholds
from radseek.retrieval.evaluation.probability_fits import (
    fit_isotonic,
    fit_platt,
    fit_probability,
    fit_temperature,
    method_for,
)
from radseek.retrieval.scoring.own_calibration import AcceptedFrom
from radseek.retrieval.scoring.probability_maps import IsotonicMap, LogisticMap, map_from_json
from radseek.retrieval.scoring.states import conformal_state
from tests.each_support import each


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer draws of the bootstrap: here no answer is near its limit."""
    monkeypatch.setattr(calibration_fit, "_REPEATS", 20)


def drawn(seed: int, present: int, absent: int, shift: float = 0.03) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Margins as encoders give them: near nought, a hundredth apart; in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.r_[np.ones(present, np.int8), np.zeros(absent, np.int8)])
    return 0.01 + 0.02 * rng.standard_normal(len(labels)) + shift * labels, labels


def group_of(margins: NDArray[np.float64], labels: NDArray[np.int8], per_patient: int = 1) -> LabelledGroup:
    names = tuple(f"s{i:05d}" for i in range(len(labels)))
    return LabelledGroup(names, tuple(f"p{i // per_patient}" for i in range(len(labels))), margins, labels, 20.0)


def cross_entropy(labels: NDArray[np.int8], margins: NDArray[np.float64], a: float, b: float) -> float:
    """With the targets of Platt 1999, section 2.2."""
    plus, minus = (labels == 1).sum(), (labels == 0).sum()
    targets = np.where(labels == 1, (plus + 1) / (plus + 2), 1 / (minus + 2))
    said = 1 / (1 + np.exp(-(a * margins + b)))
    return float(-np.mean(targets * np.log(said) + (1 - targets) * np.log(1 - said)))


@each("seed", range(4))
def test_platt_is_the_minimum_that_another_optimiser_finds(seed: int) -> None:
    margins, labels = drawn(seed, 25, 80)
    found = fit_platt(margins, labels)
    start = np.array([1.0, 0.0])
    other = minimize(lambda ab: cross_entropy(labels, margins, 50 * ab[0], ab[1]), start, method="Nelder-Mead",
                     options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000})  # fmt: skip
    assert (found.a, found.b) == pytest.approx((50 * other.x[0], other.x[1]), rel=1e-4)


def test_platt_stays_finite_where_margins_make_no_fault() -> None:
    margins = np.r_[np.linspace(0.1, 0.2, 30), np.linspace(-0.2, -0.1, 30)]
    labels = np.r_[np.ones(30, np.int8), np.zeros(30, np.int8)]
    said = fit_platt(margins, labels).of(margins)
    assert 0 < said.min() < 0.05 < 0.95 < said.max() < 1


@each("seed", range(4))
def test_temperature_is_the_best_slope_through_the_middle(seed: int) -> None:
    margins, labels = drawn(seed, 12, 90)
    found = fit_temperature(margins, labels)
    middle = (margins[labels == 1].mean() + margins[labels == 0].mean()) / 2
    assert found.a * middle + found.b == pytest.approx(math.log(12 / 90))
    slopes = found.a * np.array([0.9, 0.99, 1.0, 1.01, 1.1])
    losses = [cross_entropy(labels, margins, a, math.log(12 / 90) - a * middle) for a in slopes]
    assert np.argmin(losses) == 2


def test_isotonic_has_the_levels_of_scikit_learn_at_the_centre_of_each_step() -> None:
    margins, labels = drawn(3, 300, 900)
    found = fit_isotonic(margins, labels)
    targets = np.where(labels == 1, 301 / 302, 1 / 902)
    levels = IsotonicRegression().fit_transform(margins, targets)
    for height, centre in zip(found.probabilities, found.margins, strict=True):
        step = np.abs(levels - height) < 1e-11
        assert margins[step].mean() == pytest.approx(centre)
    said = found.of(np.sort(margins))
    assert (np.diff(said) >= 0).all()
    assert 0 < said.min() < said.max() < 1
    assert roc_auc_score(labels, found.of(margins)) == pytest.approx(roc_auc_score(labels, margins), abs=2e-3)


@given(st.sampled_from(["temperature", "platt"]), st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_logistic_map_keeps_the_order(method: str, seed: int) -> None:
    margins, labels = drawn(seed, 25, 60)
    said = fit_probability(method, margins, labels).of(margins)  # type: ignore[arg-type]
    assert roc_auc_score(labels, said) == roc_auc_score(labels, margins)


@each("present, absent, method", [
    (10, 500, "temperature"), (19, 19, "temperature"), (500, 19, "temperature"), (20, 20, "platt"),
    (199, 5000, "platt"), (200, 799, "platt"), (200, 800, "isotonic"),
])  # fmt: skip
def test_the_method_is_by_the_rarer_answer(present: int, absent: int, method: str) -> None:
    assert method_for([1] * present + [0] * absent) == method


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="needs 10"):
        method_for([1] * 9 + [0] * 500)


@given(st.floats(-1e9, 1e9), st.floats(-100, 100))
def test_no_margin_overflows(margin: float, b: float) -> None:
    assert 0 <= LogisticMap(50.0, b).of(margin) <= 1


def test_maps_come_back_from_json() -> None:
    for one in (LogisticMap(12.5, -1.25), IsotonicMap((-0.5, 0.25), (0.125, 0.75))):
        assert map_from_json(one.to_dict()) == one
    points = [([0, 0], [0.1, 0.2]), ([0, 1], [0.2, 0.1]), ([0], [1.5]), ([], [])]
    for broken in ({"a": math.nan, "b": 0}, *({"margins": x, "probabilities": y} for x, y in points)):
        with pytest.raises(ValueError, match="must"):
            map_from_json(broken)


# ---------------------------------------------------------------- conformal


@each(
    "count, coverage, rank",
    [(9, 0.9, 9), (8, 0.9, None), (19, 0.9, 18), (99, 0.95, 95), (19, 0.95, 19), (0, 0.5, None)],
)
def test_the_rank_by_hand(count: int, coverage: float, rank: int | None) -> None:
    assert conformal_rank(count, coverage) == rank


@given(st.integers(0, 500), st.integers(1, 99))
def test_the_rank_is_exact(count: int, percent: int) -> None:
    exact = math.ceil((count + 1) * Fraction(percent, 100))
    assert conformal_rank(count, percent / 100) == (exact if exact <= count else None)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=40),
    st.integers(0, 20),
    st.sampled_from([50, 80, 90]),
)
def test_thresholds_reject_what_p_values_reject(rows: list[tuple[bool, int]], at: int, percent: int) -> None:
    """A label is rejected where its p-value, of the studies that bear it, is at most 1 - coverage (Vovk 2005, 4.5)."""
    labels, said = np.array([int(y) for y, _ in rows], int), np.array([p / 20 for _, p in rows])
    found = conformal_thresholds(labels, said, percent / 100)
    for label, kept in ((1, at / 20 >= found.present), (0, at / 20 <= found.absent)):
        strange = [1 - p if label else p for y, p in zip(labels, said, strict=True) if y == label]
        own = 1 - at / 20 if label else at / 20
        p_value = Fraction(1 + sum(one >= own - 1e-12 for one in strange), len(strange) + 1)
        assert kept == (p_value > 1 - Fraction(percent, 100))


def test_what_is_accepted_is_of_its_own_label() -> None:
    thresholds = AcceptedFrom(present=0.3, absent=0.6)
    assert accepted(thresholds, [1, 1, 0, 0], [0.3, 0.29, 0.6, 0.61]).tolist() == [True, False, True, False]


@each("present, absent, probability, state", [
    (0.3, 0.6, 0.7, "present"), (0.3, 0.6, 0.2, "absent"), (0.3, 0.6, 0.45, "uncertain"),
    (0.6, 0.3, 0.7, "present"), (0.6, 0.3, 0.2, "absent"), (0.6, 0.3, 0.45, "uncertain"),  # neither can be
    (0.05, 0.1, 0.2, "uncertain"),  # absent is rejected, and is likelier all the same
    (0.9, 0.95, 0.8, "uncertain"), (0.0, 1.0, 0.01, "uncertain"), (0.0, 0.4, 0.01, "uncertain"),
])  # fmt: skip
def test_a_state_is_the_answer_that_is_left_and_likelier(
    present: float, absent: float, probability: float, state: str
) -> None:
    assert conformal_state(probability, AcceptedFrom(present, absent)) == state


# ---------------------------------------------------------------- operating points


def test_operating_points_by_hand() -> None:
    labels, said = [1, 1, 1, 1, 0, 0, 0, 0, 0], [0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.35, 0.1, 0.05]
    rules = Aims(sensitivity=0.95, specificity=0.8).rules
    youden, sensitive, specific = choose_points(rules, (labels, said), ([1, 1, 0, 0], [0.85, 0.5, 0.65, 0.1]))
    assert (youden.rule.name, youden.threshold) == ("youden", 0.6)  # 3 of 4, and 1 of 5 too many
    assert (sensitive.rule.target, sensitive.threshold) == (0.95, 0.3)
    assert (specific.rule.target, specific.threshold) == (0.8, 0.6)
    assert (youden.sensitivity, youden.specificity) == (0.5, 0.5)
    assert (sensitive.sensitivity, sensitive.specificity) == (1.0, 0.5)


@given(st.integers(0, 5_000), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
@settings(max_examples=40)
def test_no_better_threshold_reaches_a_target(seed: int, target: float) -> None:
    margins, labels = drawn(seed, 20, 40)
    said = LogisticMap(60.0, -2.0).of(margins)
    _, sensitive, specific = choose_points(
        Aims(sensitivity=target, specificity=target).rules, (labels, said), (labels, said)
    )
    every = [sensitivity_specificity(labels, said, one) for one in (*np.unique(said), 1.0)]
    assert sensitive.sensitivity >= target
    assert sensitive.specificity == max(b for a, b in every if a >= target)
    assert specific.specificity >= target
    assert specific.sensitivity == max(a for a, b in every if b >= target)


# ---------------------------------------------------------------- a group


@given(st.integers(0, 1_000), st.integers(1, 5))
def test_no_patient_is_in_two_parts(seed: int, per_patient: int) -> None:
    margins, labels = drawn(seed, 40, 80)
    group = group_of(margins, labels, per_patient)
    parts = three_parts(group.patients, labels, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(120))
    owners = [{group.patients[row] for row in rows} for rows in parts]
    assert not (owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2])


def test_patients_with_the_finding_are_dealt_evenly() -> None:
    margins, labels = drawn(0, 40, 200)
    parts = three_parts(group_of(margins, labels).patients, labels, 0)
    assert [int(labels[rows].sum()) for rows in parts] == [20, 10, 10]


@pytest.mark.usefixtures("quick")
def test_a_group_is_fitted_and_checked_on_others() -> None:
    margins, labels = drawn(1, 200, 400)
    found = fit_group(group_of(margins, labels, 2), Aims(sensitivity=0.9))
    assert isinstance(found, Fit)
    assert found.method == "platt"
    assert sum(part["studies"] for part in found.parts.values()) == 600
    assert found.check.auroc == found.check.auroc_before
    assert found.check.ece < found.check.ece_before
    assert found.check.brier < found.check.brier_before
    assert [one.rule.name for one in found.points] == ["youden", "sensitivity"]
    assert fit_group(group_of(margins, labels, 2), Aims(sensitivity=0.9)) == found


@pytest.mark.usefixtures("quick")
def test_no_part_sees_the_labels_of_a_later_one() -> None:
    margins, labels = drawn(1, 200, 400)
    group = group_of(margins, labels)
    first = fit_group(group, Aims(sensitivity=0.9))
    assert isinstance(first, Fit)
    _, choose, check = three_parts(group.patients, labels, 0)

    def with_other_margins(rows: NDArray[np.intp]) -> Fit:
        other = margins.copy()
        other[rows] = np.random.default_rng(2).permutation(other[rows])
        found = fit_group(group_of(other, labels), Aims(sensitivity=0.9))
        assert isinstance(found, Fit)
        return found

    checked, chosen = with_other_margins(check), with_other_margins(choose)
    assert (checked.map, checked.accepted, checked.area) == (first.map, first.accepted, first.area)
    assert [one.threshold for one in checked.points] == [one.threshold for one in first.points]
    assert checked.check != first.check
    assert (chosen.map, chosen.area) == (first.map, first.area)
    assert chosen.accepted != first.accepted


@pytest.mark.usefixtures("quick")
@each("present, absent, shift, reason", [
    (18, 400, 0.05, "few_present"), (400, 12, 0.05, "few_absent"), (0, 50, 0.0, "few_present"),
    (200, 200, 0.0, "not_ordered"), (200, 200, -0.03, "not_ordered"),
])  # fmt: skip
def test_what_cannot_be_fitted_says_why(present: int, absent: int, shift: float, reason: str) -> None:
    found = fit_group(group_of(*drawn(5, present, absent, shift)), Aims())
    assert isinstance(found, Unfit)
    assert found.reason == reason
    assert "ask in other words" in found.message or "label at least" in found.message


def test_the_finding_of_one_patient_alone_is_too_few() -> None:
    margins, labels = drawn(5, 40, 200)
    owners = tuple("one" if y else f"p{i}" for i, y in enumerate(labels))
    assert fit_group(LabelledGroup(owners, owners, margins, labels), Aims()).reason == "few_present"  # type: ignore[union-attr]


@each(
    "wrong", [{"coverage": 1.0}, {"coverage": 0.0}, {"sensitivity": 1.5}, {"specificity": -0.1}, {"coverage": math.nan}]
)
def test_a_share_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="share between 0 and 1"):
        Aims(**wrong)  # type: ignore[arg-type]
