"""Numbers both ways: the published computation is what the scripts do, ours is what naive loops and hands give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.published_metrics import (
    class_aurocs,
    corner_threshold,
    enough_positives,
    labels_of_lists,
    mean_auroc,
    negatives_both_ways,
    nested_calls,
    one_row_a_group,
    operating_both_ways,
    zscore_both_ways,
)
from radseek.retrieval.evaluation.published_retrieval import (
    class_precision,
    label_overlap_both_ways,
    pairs_both_ways,
    structure_recall,
)

CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=30)


def naive_threshold(labels: list[int], scores: list[float]) -> float:
    """The published search, step by step."""
    best, chosen = math.inf, 0.0
    for step in np.linspace(0, 1, 100):
        tp = sum(label and score > step for label, score in zip(labels, scores, strict=True))
        fp = sum(not label and score > step for label, score in zip(labels, scores, strict=True))
        tpr, fpr = tp / sum(labels), fp / (len(labels) - sum(labels))
        distance = math.sqrt((1 - tpr) ** 2 + fpr**2)
        if distance <= best:
            best, chosen = distance, float(step)
    return chosen


@settings(max_examples=30)
@given(CASES)
def test_the_published_threshold_is_that_of_the_step_by_step_search(cases: list[tuple[bool, int]]) -> None:
    labels, scores = [int(label) for label, _ in cases], [score / 12 for _, score in cases]
    if len(set(labels)) < 2:
        assert math.isnan(corner_threshold(labels, scores))
    else:
        assert corner_threshold(labels, scores) == pytest.approx(naive_threshold(labels, scores), abs=1e-12)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([1, 0, -1]), st.integers(0, 4)), min_size=1, max_size=25))
def test_auroc_is_the_share_of_pairs_in_order(cases: list[tuple[int, int]]) -> None:
    positive = [score for label, score in cases if label == 1]
    negative = [score for label, score in cases if label == 0]
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    labels, scores = np.array([[label] for label, _ in cases]), np.array([[score] for _, score in cases])
    found = float(class_aurocs(labels, scores)[0])
    assert found == pytest.approx(sum(pairs) / len(pairs)) if pairs else math.isnan(found)


def test_classes_without_both_labels_are_left_out_of_the_mean() -> None:
    labels = np.array([[1, 1, -1], [0, 1, -1]])
    assert mean_auroc(labels, np.array([[0.9, 0.1, np.nan], [0.2, 0.3, np.nan]])) == 1
    assert math.isnan(mean_auroc(labels[:, 1:2], np.zeros((2, 1))))
    with pytest.raises(UsageError, match="NaN where the label is known"):
        class_aurocs(labels, np.full((2, 3), np.nan))
    with pytest.raises(UsageError, match="give \\(N, F\\) of both"):
        class_aurocs(labels, np.zeros((2, 2)))


def test_nested_thresholds_never_see_the_patient_that_they_call() -> None:
    """A patient whose label is turned round changes calls of others only: their own were made without them."""
    rng = np.random.default_rng(0)
    patients = [f"p{n // 2}" for n in range(40)]
    labels, scores = rng.integers(0, 2, 40), rng.random(40)
    flipped = labels.copy()
    flipped[:2] = 1 - flipped[:2]
    calls = nested_calls(labels, scores, patients)
    assert set(calls) == {0.0, 1.0}
    held_out = {
        tuple(np.flatnonzero(np.isin(patients, [patient]))) for patient in patients
    }  # rows of a patient are called together
    for rows in held_out:
        high, low = scores[list(rows)].argmax(), scores[list(rows)].argmin()
        assert calls[rows[high]] >= calls[rows[low]]  # one threshold for both
    assert np.isnan(nested_calls([1, 0], [0.9, 0.1], ["a", "b"])).all()
    assert np.isnan(nested_calls([1, 1, 1], [0.9, 0.1, 0.2], ["a", "b", "c"])).all()


def test_weighted_f1_flatters_a_rare_finding() -> None:
    """One in 20 has it and nothing is found: weighted F1 is near 1, F1 of the finding is 0."""
    labels = np.array([1] * 5 + [0] * 95)
    scores = np.concatenate([np.full(5, 0.001), np.full(95, 0.002)])
    rows = {row.measure: row for row in operating_both_ways(labels, scores, [str(n) for n in range(100)], "x")}
    # No threshold separates: calling nobody, TPR 0 and FPR 0, is as far from the corner as calling all, and is last.
    assert rows["F1"].published == pytest.approx(2 * 95 / (95 + 100) * 0.95)
    assert rows["F1"].ours == 0
    assert rows["specificity"].published == 1
    assert (rows["F1"].flaw, rows["F1"].finding) == ("weighted_f1", "x")
    with pytest.raises(UsageError, match="not margins"):
        operating_both_ways(labels, scores - 1, ["p"] * 100, "x")


def test_operating_points_by_hand() -> None:
    labels, scores = [1, 1, 0, 0, -1], [0.9, 0.4, 0.5, 0.1, 0.2]
    rows = {row.measure: row for row in operating_both_ways(labels, scores, list("abcde"), "x")}
    # TPR 1 with FPR 1/2 (below .4) and TPR 1/2 with FPR 0 (from .5 to .9) are equally far from the corner: the last
    # step counts.
    assert rows["sensitivity"].published == 0.5
    assert rows["specificity"].published == 1
    assert rows["accuracy"].published == 0.75
    assert rows["precision"].published == 1
    assert rows["F1"].published == pytest.approx((0.5 * 2 / 3) + (0.5 * 0.8))


def test_reconstructions_become_one_row() -> None:
    labels = np.array([[1, 0], [1, 1], [0, -1], [0, -1], [1, 0]])
    scores = np.array([[0.2, 0.4], [0.4, 0.6], [0.1, 0.1], [0.9, 0.9], [1.0, 0.0]])
    merged, means, first = one_row_a_group(labels, scores, ["s", "s", "", "", "t"])
    np.testing.assert_array_equal(merged, [[1, -1], [0, -1], [0, -1], [1, 0]])
    np.testing.assert_allclose(means, [[0.3, 0.5], [0.1, 0.1], [0.9, 0.9], [1, 0]])
    assert first == [0, 2, 3, 4]


def test_enough_positives() -> None:
    labels = np.array([[1, 1, 0, -1], [1, 0, 0, 1], [0, 0, 0, 1]])
    assert enough_positives(labels, 2).tolist() == [True, False, False, False]
    assert enough_positives(labels, 0).tolist() == [True, True, False, False]


def test_which_films_are_negative_moves_the_number() -> None:
    row = negatives_both_ways(
        [1, 0, 0, 0], [0.5, 0.1, 0.9, 0.8], ["Lung Opacity", " normal", "Not Normal", "x"], "pneumonia"
    )
    assert (row.published, row.ours) == (1, pytest.approx(1 / 3))


def test_standardising_over_the_batch_moves_the_best_class() -> None:
    scores = np.array([[0.9, 0.5], [0.8, 0.1], [0.7, 0.6]])
    row = zscore_both_ways(np.array([[1, 0], [1, 0], [0, 1]]), scores)
    assert row.ours == pytest.approx(2 / 3)
    assert row.published == 1
    # The first study beside another one: its published answer is now the wrong one.
    beside = np.array([[0.9, 0.5], [0.95, 0.1]])
    assert zscore_both_ways(np.array([[1, 0], [1, 0]]), beside).published == 0.5
    with pytest.raises(UsageError, match="exactly one class"):
        zscore_both_ways(np.zeros((2, 2)), np.zeros((2, 2)))


def test_substrings_label_too_much() -> None:
    loose, exact = labels_of_lists([["Calcified Granuloma"], ["granuloma", "Mass"]], ["Granuloma", "Mass"])
    np.testing.assert_array_equal(loose, [[1, 0], [1, 1]])
    np.testing.assert_array_equal(exact, [[0, 0], [1, 1]])


def test_each_k_averages_all_smaller_ones_where_the_list_is_never_emptied() -> None:
    """Trap T1, with its own numbers: true .6 .4 .3 .2 print as .6 .5 .433 .375; and a study finds itself first."""
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]])
    near = np.array([
        [1.0, 0.1, 0.9, 0.8, 0.2], [0.1, 1.0, 0.9, 0.8, 0.2], [0.9, 0.8, 1.0, 0.1, 0.2], [0.9, 0.8, 0.1, 1.0, 0.2],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ])  # fmt: skip
    rows = label_overlap_both_ways(labels, near, (1, 2, 5), list("abcde"))
    # Itself alone: 1. Of two, itself and one of the other kind: 1/2. Of all five, itself and its like: 2/5.
    true = [1, 1 / 2, 2 / 5]
    assert [row.published for row in rows] == pytest.approx([true[0], sum(true[:2]) / 2, sum(true) / 3])
    # Others only: the two nearest are of the other kind; of all four, one of them its like.
    assert [row.ours for row in rows] == pytest.approx([0, 0, 1 / 4])
    same = label_overlap_both_ways(labels, near, (1,), ["a", "b", "c", "a", "e"])
    assert same[0].ours == 0
    with pytest.raises(UsageError, match="every study to every other"):
        label_overlap_both_ways(labels, near[:2], (1,), list("abcde"))


def test_overlap_with_partly_equal_labels() -> None:
    rows = label_overlap_both_ways([[1, 1], [1, 0], [0, 1]], np.eye(3), (2,), list("abc"))
    # Of the first, 1/2 with either; of the others, 1/2 with the first and 0 with each other.
    assert rows[0].ours == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)


def test_equal_reports_are_equally_right_in_both_directions() -> None:
    """Two films have the same report; the text's second film is as right as its first."""
    similarity = np.array([[0.9, 0.9, 0.2], [0.95, 0.95, 0.1], [0.3, 0.3, 0.8]])
    rows = {
        row.measure: (row.published, row.ours)
        for row in pairs_both_ways(similarity, ["clear", "clear", "mass"], (1, 2))
    }
    assert rows["image to text, recall at 1"] == (1, 1)
    assert rows["text to image, recall at 1"] == pytest.approx((2 / 3, 1))
    assert rows["text to image, recall at 2"] == (1, 1)
    assert rows["text to image, mean rank"] == pytest.approx((4 / 3, 1))


def test_precision_by_class() -> None:
    found = class_precision([0, 1], [0, 1, 1], [[0.9, 0.8, 0.1], [0.9, 0.8, 0.7]], (1, 2, 3))
    assert found == pytest.approx([1 / 2, 1 / 2, (1 / 3 + 2 / 3) / 2])


def test_recall_of_structures() -> None:
    labels = [[1, 1, 0], [1, 0, 0], [0, 1, 0]]
    near = np.array([[1, 0.9, 0.1], [0.2, 1, 0.6], [0.7, 0.1, 1]])
    # Spleen: the first finds the second (right), the second the third (wrong). Aorta: the first finds the second
    # (wrong), the third the first (right). No study has the last structure.
    np.testing.assert_allclose(structure_recall(labels, near, list("abc")), [1 / 2, 1 / 2, np.nan])
    np.testing.assert_allclose(structure_recall(labels, near, list("abc"), k=2), [1, 1, np.nan])
    np.testing.assert_allclose(structure_recall(labels, near, ["a", "a", "c"]), [0, 1, np.nan])


def test_a_reconstruction_without_a_score_counts_for_nothing() -> None:
    merged, means, _ = one_row_a_group([[1], [-1], [-1]], [[0.9], [np.nan], [np.nan]], ["a", "a", "b"])
    assert merged.tolist() == [[1], [-1]]
    assert means[0, 0] == 0.9
    assert np.isnan(means[1, 0])
