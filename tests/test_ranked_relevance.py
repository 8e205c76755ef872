"""Measures of rankings against their definitions written out as loops, and against scikit-learn where it has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.metrics import ndcg, pair_recall
from radseek.retrieval.evaluation.ranked_relevance import (
    average_precision_ranked,
    label_relevance,
    ndcg_at,
    not_candidates,
    pair_ranks,
    precision_at,
    rank_relevance,
    recall_at,
    reciprocal_rank,
)
from radseek.retrieval.evaluation.ranking_measures import measure_pairs, measure_ranking


def ranked_by_hand(similarity: list[float], relevance: list[float], excluded: list[bool]) -> list[float]:
    """Most similar first, of equals the less relevant."""
    rows = [(-s, r) for s, r, out in zip(similarity, relevance, excluded, strict=True) if not out]
    return [r for _, r in sorted(rows)]


def by_hand(ranked: list[float], k: int) -> dict[str, float]:
    there = sum(r > 0 for r in ranked)
    if not there:
        return dict.fromkeys(("precision", "recall", "ap", "ap_k", "rr", "ndcg"), math.nan)
    places = [i for i, r in enumerate(ranked, 1) if r > 0]
    within = [i for i in places if i <= k]

    def dcg(gains: list[float]) -> float:
        return sum(gain / math.log2(i + 1) for i, gain in enumerate(gains[:k], 1))

    return {
        "precision": len(within) / k,
        "recall": len(within) / there,
        "ap": sum(n / i for n, i in enumerate(places, 1)) / there,
        "ap_k": sum(n / i for n, i in enumerate(within, 1)) / min(there, k),
        "rr": 1 / places[0],
        "ndcg": dcg(ranked) / dcg(sorted(ranked, reverse=True)),
    }


def test_a_thousand_random_queries_agree_with_the_definitions() -> None:
    rng = np.random.default_rng(21)
    nothing = 0
    for _ in range(250):
        cases, k = int(rng.integers(1, 15)), int(rng.integers(1, 12))
        similarity = np.round(rng.normal(size=(4, cases)), int(rng.integers(0, 3)))
        relevance = rng.choice([0.0, 0.0, 0.0, 0.25, 0.5, 1.0], (4, cases))
        excluded = rng.random((4, cases)) < 0.2
        ranked = rank_relevance(similarity, relevance, excluded)
        found = {
            "precision": precision_at(ranked, k),
            "recall": recall_at(ranked, k),
            "ap": average_precision_ranked(ranked),
            "ap_k": average_precision_ranked(ranked, k),
            "rr": reciprocal_rank(ranked),
            "ndcg": ndcg_at(ranked, k),
        }
        for query in range(4):
            own = ranked_by_hand(similarity[query].tolist(), relevance[query].tolist(), excluded[query].tolist())
            assert ranked[query, : len(own)].tolist() == own
            assert np.isnan(ranked[query, len(own) :]).all()
            wanted = by_hand(own, k)
            nothing += math.isnan(wanted["rr"])
            for name, value in wanted.items():
                assert found[name][query] == pytest.approx(value, abs=1e-9, nan_ok=True), name
    assert nothing > 50


def test_without_ties_they_are_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    similarity, relevance = rng.normal(size=(20, 30)), rng.choice([0.0, 0.0, 0.5, 1.0], (20, 30))
    ranked = rank_relevance(similarity, relevance, None)
    for query in range(20):
        average = average_precision_score(relevance[query] > 0, similarity[query])
        assert average_precision_ranked(ranked)[query] == pytest.approx(average, abs=1e-9)
        gain = ndcg_score(relevance[query : query + 1], similarity[query : query + 1], k=7)
        assert ndcg_at(ranked, 7)[query] == pytest.approx(gain, abs=1e-9)
    assert ndcg_at(ranked, 7) == pytest.approx(ndcg(relevance, similarity, k=7))


def test_ranks_of_pairs_are_counted_by_hand() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        queries, cases = int(rng.integers(1, 6)), int(rng.integers(1, 9))
        similarity = np.round(rng.normal(size=(queries, cases)), 1)
        partners = rng.integers(0, cases, queries)
        excluded = rng.random((queries, cases)) < 0.3
        excluded[np.arange(queries), partners] = False
        for query, place in enumerate(pair_ranks(similarity, partners, excluded)):
            own = similarity[query, partners[query]]
            others = [c for c in range(cases) if c != partners[query] and not excluded[query, c]]
            assert place == 1 + sum(similarity[query, c] >= own for c in others)
    square = np.round(rng.normal(size=(9, 9)), 1)
    for k in (1, 3):
        assert (pair_ranks(square) <= k).astype(float).tolist() == pair_recall(square, k=k).tolist()


def test_shared_labels_by_hand() -> None:
    labels = [[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [-1, 1, -1, -1], [-1, -1, -1, -1]]
    found = label_relevance(labels)
    assert found[0].tolist() == pytest.approx([1, 1 / 3, 0, 1, 0])
    assert found[2].tolist() == pytest.approx([0, 0, 1, 0, 0])  # nothing and nothing are alike
    assert found[4].tolist() == [0] * 5  # of the last nothing is known
    assert label_relevance(labels[:1], labels[1:]).tolist() == found[:1, 1:].tolist()


def test_who_is_no_candidate() -> None:
    out = not_candidates(["a", "a", "b", "c"], ["1", "2", "3", "3"])
    assert out.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert not_candidates([1, 2]).astype(int).tolist() == [[1, 0], [0, 1]]


def test_means_leave_out_queries_that_cannot_be_answered_and_count_them() -> None:
    similarity = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]
    relevance = [[0, 1, 0], [0, 0, 0], [1, 0, 1]]
    found = measure_ranking(similarity, relevance, ["a", "b", "c"], None, cuts=(1, 2), repeats=50)
    assert (found.queries, found.without) == (3, 1)
    assert found.precision[1].value == 0.5
    assert (found.precision[1].count, found.precision[1].patients) == (2, 2)
    assert found.recall[2].value == 0.75
    assert found.reciprocal_rank.value == 0.75
    assert found.first_rank.value == 1.5
    assert found.mean_average_precision.value == pytest.approx((1 / 2 + (1 + 2 / 3) / 2) / 2)
    assert found.average_precision[1].value == 0.5
    assert found.ndcg[2].value == pytest.approx((1 / np.log2(3) + 1 / (1 + 1 / np.log2(3))) / 2)
    assert found.ndcg[2].low < found.ndcg[2].value < found.ndcg[2].high
    pairs = measure_pairs(similarity, ["a", "b", "c"], cuts=(1, 2), repeats=50)
    assert (pairs.mean_rank.value, pairs.median_rank) == (2.0, 2.0)
    assert [pairs.recall[cut].value for cut in (1, 2)] == pytest.approx([1 / 3, 2 / 3])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="thrice"):
        rank_relevance(np.ones((2, 3)), np.ones((2, 2)), None)
    with pytest.raises(UsageError, match="NaN or a relevance below 0"):
        rank_relevance([[np.nan]], [[1]], None)
    with pytest.raises(UsageError, match="below 0"):
        rank_relevance([[1.0]], [[-1]], None)
    assert np.isnan(rank_relevance([[np.nan]], [[-1]], [[True]])).all()  # who is no candidate may be anything
    with pytest.raises(UsageError, match="partner is excluded"):
        pair_ranks(np.eye(2), None, np.eye(2, dtype=bool))
    with pytest.raises(UsageError, match="do not fit"):
        pair_ranks(np.ones((3, 2)))
    with pytest.raises(UsageError, match="patients"):
        measure_ranking(np.eye(2), np.eye(2), ["a"], None)
    with pytest.raises(UsageError, match="No query has a relevant candidate"):
        measure_ranking(np.eye(2), np.eye(2), ["a", "b"], np.eye(2, dtype=bool))
    with pytest.raises(UsageError, match="no rows"):
        measure_ranking(np.ones((0, 3)), np.ones((0, 3)), [], None)
