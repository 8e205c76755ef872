"""Seven mistakes found in public evaluation code: each is made again in a few lines, beside what we say."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import f1_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.finding_measures import measure_finding
from radseek.retrieval.evaluation.metrics import accuracy, auroc
from radseek.retrieval.evaluation.ranked_relevance import (
    average_precision_ranked,
    label_relevance,
    ndcg_at,
    not_candidates,
    pair_ranks,
    precision_at,
    rank_relevance,
    recall_at,
)
from radseek.retrieval.evaluation.ranking_measures import measure_ranking
from radseek.retrieval.evaluation.thresholds import choose_threshold
from radseek.retrieval.imaging.hounsfield import hu_warnings
from radseek.retrieval.language.report_findings import report_says

CUTS = (5, 10, 50, 100)
PRESENT = re.compile(r"^pneumothorax is present", re.IGNORECASE)
ABSENT = re.compile(r"no pneumothorax", re.IGNORECASE)


def test_t1_a_list_that_is_not_emptied_averages_all_smaller_cuts() -> None:
    hits = np.zeros((1, 100))
    hits[0, [0, 1, 2, 5, *range(10, 21), *range(50, 55)]] = 1.0  # 3 of 5, 4 of 10, 15 of 50, 20 of 100
    kept, printed = [], []
    for cut in CUTS:
        kept.append(hits[0, :cut].mean())  # made once, outside the loop over cuts
        printed.append(round(float(np.mean(kept)), 3))
    ours = [precision_at(hits, cut)[0] for cut in CUTS]
    assert printed == [0.6, 0.5, 0.433, 0.375]
    assert ours == pytest.approx([0.6, 0.4, 0.3, 0.2])


def test_t1_a_case_is_no_answer_to_itself_nor_to_its_patient() -> None:
    patients = [0, 0, 1, 1, 2, 2]
    similarity = np.eye(6) + 0.5 * np.eye(3)[patients] @ np.eye(3)[patients].T  # itself, then its patient, then others
    similarity[0, 4] = similarity[1, 4] = similarity[5, 2] = 0.1
    labels = np.eye(3)[patients]  # each patient's finding is nobody else's, but for one
    labels[5] = labels[0]
    relevance, nobody = label_relevance(labels), np.zeros((6, 6), bool)
    with_itself = precision_at(rank_relevance(similarity, relevance, nobody), 1)
    with_its_patient = precision_at(rank_relevance(similarity, relevance, np.eye(6, dtype=bool)), 1)
    ours = measure_ranking(similarity, relevance, patients, not_candidates(patients), cuts=(1,), repeats=9)
    assert with_itself.tolist() == [1.0] * 6
    assert np.nanmean(with_its_patient) > 0.5
    assert (ours.without, ours.precision[1].value) == (3, 0.0)  # 0, 1 and 5 have a like, and find another first


def test_t2_precision_is_averaged_over_what_there_is_and_not_over_what_was_found() -> None:
    relevance = np.zeros((1, 60))
    relevance[0, [0, *range(40, 49)]] = 1.0  # ten relevant cases, of which the first ten answers hold one
    ranked = rank_relevance(-np.arange(60.0)[None], relevance, None)
    first = ranked[0, :10] > 0
    over_found = (np.cumsum(first) / np.arange(1, 11))[first].sum() / first.sum()
    assert over_found == 1.0
    assert average_precision_ranked(ranked, 10)[0] == pytest.approx(0.1)
    assert average_precision_ranked(ranked)[0] == pytest.approx((1 + sum((i + 2) / (41 + i) for i in range(9))) / 10)
    assert recall_at(ranked, 10)[0] == pytest.approx(0.1)


def test_t3_an_answer_is_right_where_it_equals_the_label() -> None:
    truth = ["not_infected", "not_infected", "infected", "infected"]
    said = ["infected", "infected", "infected", "not_infected"]
    by_characters = np.mean([all(c in label for c in answer) for answer, label in zip(said, truth, strict=True)])
    assert by_characters == 0.75
    assert accuracy(truth, said, repeats=9).value == 0.25


@pytest.mark.slow  # reads the rules of report sentences
def test_t4_labels_come_of_what_reports_say_and_not_of_the_prompts_words() -> None:
    scored = {  # by an encoder that knows the prompt's words and nothing else
        "Pneumothorax is present.": 0.9,
        "There is no pneumothorax.": 0.1,
        "Air in the pleural space on the left.": 0.2,
        "Pneumothorax has resolved.": 0.6,
        "The lungs are clear, without pneumothorax.": 0.3,
        "Hydropneumothorax on the left.": 0.4,
        "The heart is enlarged.": 0.5,  # says nothing of it: not known
    }
    matched = [(1 if PRESENT.search(t) else 0, s) for t, s in scored.items() if PRESENT.search(t) or ABSENT.search(t)]
    theirs = measure_finding(*np.array(matched).T, range(len(matched)), repeats=9)
    assert (theirs.images, theirs.auroc.value) == (2, 1.0)
    said = [report_says(text, "chest_xray").get("pneumothorax", "not known") for text in scored]
    labels = [{"present": 1, "absent": 0}.get(one, -1) for one in said]
    ours = measure_finding(labels, list(scored.values()), range(len(scored)), repeats=9)
    assert labels == [1, 0, 1, 0, 0, 1, -1]
    assert (ours.images, ours.unknown) == (6, 1)  # what is left out is counted
    assert ours.auroc.value == pytest.approx(6 / 9)


def test_t5_a_second_rescale_is_suspect() -> None:
    stored = np.full((4, 64, 64), 24, np.int16)  # air
    stored[:, 16:48, 16:48] = 1064 + np.random.default_rng(7).integers(-80, 80, (4, 32, 32))
    once, twice = stored - 1024, stored - 2048
    clipped = np.clip(twice, -1000, 1000)
    assert (clipped[:, 16:48, 16:48] < -850).all()  # what such code shows its network: tissue as air
    assert hu_warnings(once) == ()
    (warning,) = hu_warnings(twice)
    assert warning.startswith("hu_suspect")


def test_t6_resamples_differ_from_one_another() -> None:
    labels, patients = np.tile([0, 0, 0, 1], 15), np.arange(60)
    scores = np.random.default_rng(7).normal(size=60) + labels
    rows = np.arange(60)
    not_drawn = [auroc(labels[rows], scores[rows], repeats=1).value for _ in range(20)]
    assert np.ptp(not_drawn) == 0.0
    ours = measure_finding(labels, scores, patients, repeats=200).auroc
    assert ours.high - ours.low > 0.1


def test_t6_thresholds_are_not_judged_on_what_they_were_chosen_on() -> None:
    gained, nested, rng = [], [], np.random.default_rng(7)
    for _ in range(20):
        labels, scores = np.tile([0, 1], 20), rng.normal(size=40)  # nothing to be found
        found = measure_finding(labels, scores, range(40), repeats=1)
        called = scores >= choose_threshold(labels, scores, found.points[0].rule)
        gained.append(called[labels == 1].mean() + (~called)[labels == 0].mean() - 1)
        nested.append(2 * found.points[0].measures.balanced_accuracy.value - 1)
    assert np.mean(gained) > 0.1  # Youden's J of noise, by its own threshold
    assert np.mean(nested) < 0.02


def test_t6_f1_is_that_of_the_finding() -> None:
    labels = np.r_[np.ones(5, int), np.zeros(95, int)]
    scores = np.r_[np.zeros(5), np.ones(3), np.zeros(92)]  # the three that are called are well
    called = scores >= 1
    assert f1_score(labels, called, average="weighted", zero_division=0) > 0.89
    point = measure_finding(labels, scores, range(100), repeats=9).points[2]
    assert str(point.rule) == "specificity >= 0.9"
    assert (point.true_positives, point.measures.f1.value) == (0, 0.0)


def test_t7_an_equally_good_report_is_no_mistake_of_label_aware_gain() -> None:
    labels = np.repeat(np.eye(4, dtype=int), 5, axis=0)  # five reports say the same of each finding
    text = np.eye(4)[labels.argmax(axis=1)]
    similarity = text @ text.T + 1e-6 * np.roll(np.eye(20), 1, axis=1)  # each finds its neighbour's before its own
    similarity = np.where(label_relevance(labels) > 0, similarity, 0.0)
    ranked = rank_relevance(similarity, label_relevance(labels), None)
    assert (pair_ranks(similarity) <= 1).mean() == 0.0
    assert ndcg_at(ranked, 5).tolist() == pytest.approx([1.0] * 20)


def test_what_has_one_label_only_is_not_given_a_number() -> None:
    with pytest.raises(UsageError, match="label 0 and rows with label 1"):
        measure_finding([1, 1], [0.2, 0.3], range(2))
