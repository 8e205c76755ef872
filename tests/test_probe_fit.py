"""Few labels around the words as prior: the arithmetic against other implementations, and what it must never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.anchored_probe import STRENGTHS, correction, fit_anchored, resampled_directions
from radseek.retrieval.evaluation.learning_curve import LabelledFeatures, learning_curve, resampled_aurocs
from radseek.retrieval.evaluation.linear_probe import fit_linear
from radseek.retrieval.evaluation.patient_folds import owners_of, patient_folds

DIM = 12


def made(
    count: int, words: float, signal: float, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int8], list[str]]:
    """Vectors of one study a patient; labels move them along axis 0, the words', and axis 1; axis 2 is their mean."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int8)
    features = rng.standard_normal((count, DIM)) + 5 * np.eye(DIM)[2]
    features[:, 0] += words * (2 * labels - 1)
    features[:, 1] += signal * (2 * labels - 1)
    return features, labels, [f"p{number}" for number in range(count)]


PRIOR = 0.3 * np.eye(DIM)[0]


def test_without_a_prior_it_is_scikit_learns_logistic_regression() -> None:
    features, labels, _ = made(60, 0.3, 0.7)
    centred = features - features.mean(axis=0)
    for strength, (moved, shift) in zip(STRENGTHS, correction(centred, labels, np.zeros(60), STRENGTHS), strict=True):
        theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(centred, labels)
        assert moved == pytest.approx(theirs.coef_[0], abs=2e-4 * np.abs(theirs.coef_).max())
        assert shift == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_with_a_prior_nothing_near_is_better() -> None:
    features, labels, _ = made(30, 0.3, 0.7)
    offsets, rng = 2 * features[:, 0], np.random.default_rng(1)

    def loss(moved: NDArray[np.float64], shift: float) -> float:
        logits = offsets + features @ moved + shift
        return float(3.0 * np.log1p(np.exp(-(2.0 * labels - 1) * logits)).sum() + moved @ moved / 2)

    ((moved, shift),) = correction(features, labels, offsets, [3.0])
    for _ in range(50):
        assert loss(moved + 1e-2 * rng.standard_normal(DIM), shift) > loss(moved, shift)
    assert loss(moved, shift) < loss(moved, shift + 1e-2)
    assert loss(moved, shift) < loss(moved, shift - 1e-2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_resampled_aurocs_are_scikit_learns_with_weights(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 12))
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)), np.int8)
    scores = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=count, max_size=count)), float)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), float)
    (found,) = resampled_aurocs(labels, scores[:, None], weights[None])[0]
    if (weights[labels == 1].sum() == 0) or (weights[labels == 0].sum() == 0):
        assert np.isnan(found)
    else:
        kept = weights > 0
        assert found == pytest.approx(roc_auc_score(labels[kept], scores[kept], sample_weight=weights[kept]), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=40), st.integers(0, 5))
def test_no_patient_is_on_both_sides_of_a_fold(rows: list[tuple[int, int]], seed: int) -> None:
    labels, names = np.array([one[0] for one in rows], np.int8), [f"p{one[1]}" for one in rows]
    owners = owners_of(names)
    for fit, held in patient_folds(labels, owners, 5, seed):
        assert not set(owners[fit]) & set(owners[held])
        assert set(labels[fit]) == {0, 1}
        assert sorted([*fit, *held]) == list(range(len(rows)))


def test_with_no_evidence_it_is_the_words_bit_for_bit() -> None:
    features, labels, patients = made(40, 1.0, 0.0)
    nothing = fit_anchored(features[:0], labels[:0], [], PRIOR)
    one_label = fit_anchored(features[1::2], labels[1::2], patients[1::2], PRIOR)
    few = fit_anchored(*(made(19, 0.0, 3.0)), PRIOR)
    few_patients = fit_anchored(features, labels, [f"p{number % 19}" for number in range(40)], PRIOR)
    for found in (nothing, one_label, few, few_patients):
        assert found.strength is None
        assert np.array_equal(found.direction, PRIOR)


@pytest.mark.slow
def test_labels_that_say_nothing_more_leave_the_words() -> None:
    left = [fit_anchored(*made(60, 1.0, 0.0, seed), PRIOR).strength is None for seed in range(8)]
    assert sum(left) >= 7  # the test that moves them errs in one of a hundred


def test_labels_that_say_more_move_the_words() -> None:
    features, labels, _ = made(400, 0.3, 1.0, seed=5)
    found = fit_anchored(*made(80, 0.3, 1.0), PRIOR)
    assert found.strength in STRENGTHS
    assert np.linalg.norm(found.direction) == pytest.approx(np.linalg.norm(PRIOR))
    assert roc_auc_score(labels, features @ found.direction) > roc_auc_score(labels, features @ PRIOR) + 0.15


def test_the_mean_study_keeps_the_margin_that_the_words_gave_it() -> None:
    features, labels, patients = made(80, 0.3, 1.0)
    features[:, 0] -= features[:, 0].mean()
    found = fit_anchored(features, labels, patients, PRIOR)
    assert found.strength is not None
    assert features.mean(axis=0) @ PRIOR == pytest.approx(0, abs=1e-12)
    assert features.mean(axis=0) @ found.direction == pytest.approx(0, abs=1e-9)


def test_words_that_the_labels_contradict_are_turned_round() -> None:
    features, labels, patients = made(100, -1.0, 0.0)
    found = fit_anchored(features, labels, patients, PRIOR)
    assert found.direction[0] < 0


def test_resamples_are_of_patients_and_seeded() -> None:
    data = (*made(40, 0.3, 1.0), PRIOR, 3.0)
    found = resampled_directions(*data, count=4, seed=1)
    assert np.array_equal(found, resampled_directions(*data, count=4, seed=1))
    assert len(np.unique(found[:, 0])) == 4
    assert not np.array_equal(found, resampled_directions(*data, count=4, seed=2))


def test_a_linear_probe_knows_nothing_of_the_words() -> None:
    features, labels, _ = made(300, 0.0, 1.0, seed=7)
    weights = fit_linear(*made(100, 0.0, 1.0))
    assert roc_auc_score(labels, features @ weights) > 0.8
    assert fit_linear(*made(2, 0.0, 1.0)).shape == (DIM,)  # a label a patient: no folds


@pytest.mark.slow
def test_the_curve_never_sees_the_labels_that_it_is_measured_on() -> None:
    features, labels, patients = made(120, 0.4, 1.0)
    held = np.arange(120) >= 60
    seen: list[NDArray[np.float64]] = []

    def curve(labels: NDArray[np.int8]) -> object:
        def score(directions: NDArray[np.float64]) -> NDArray[np.float64]:
            seen.append(directions)
            return features @ directions

        data = LabelledFeatures(features, labels, patients)
        return learning_curve(data, PRIOR, score, held_out=held, sizes=(5, 20), draws=2, repeats=100)

    first = curve(labels)
    assert first == curve(labels)
    assert first != curve(np.where(held, 1 - labels, labels).astype(np.int8))
    assert np.array_equal(seen[0], seen[2])


@pytest.mark.slow
def test_the_curve_is_what_its_columns_give() -> None:
    features, labels, patients = made(200, 0.4, 1.0)
    kept: list[NDArray[np.float64]] = []

    def score(directions: NDArray[np.float64]) -> NDArray[np.float64]:
        kept.append(features @ directions)
        return kept[0]

    held = np.arange(200) >= 100
    data = LabelledFeatures(features, labels, patients)
    found = learning_curve(data, PRIOR, score, held_out=held, sizes=(5, 20, 500), draws=3, repeats=200)
    aurocs = [roc_auc_score(labels[held], column) for column in kept[0][held].T]
    assert [(one.labels, one.present) for one in found.points] == [(5, 2), (20, 10), (100, 50)]
    assert found.zero_shot.value == pytest.approx(aurocs[0])
    for place, point in enumerate(found.points):
        few, linear = (np.mean(aurocs[1 + kind + 6 * place : 7 + 6 * place : 2]) for kind in (0, 1))
        assert point.few_shot.value == pytest.approx(few)
        assert point.few_shot_gain.value == pytest.approx(few - aurocs[0])
        assert point.linear.value == pytest.approx(linear)
        assert point.linear.low < point.linear.value < point.linear.high
    assert found.points[0].moved == 0  # five labels move nothing
    assert found.points[0].few_shot.low == pytest.approx(found.zero_shot.low)
    assert found.points[-1].few_shot_gain.low > 0
    assert found.zero_shot.patients == 100


def test_too_few_patients_have_no_curve() -> None:
    features, labels, _ = made(40, 0.4, 1.0)
    with pytest.raises(UsageError, match="3 patients have the rarer label"):
        learning_curve(
            LabelledFeatures(features, labels, [f"p{n % 2}{n % 6}" for n in range(40)]), PRIOR, lambda d: features @ d
        )
