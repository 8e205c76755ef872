"""What a ranking of cases is worth, query by query: precision, recall, average precision, nDCG, ranks.

Every measure starts from `rank_relevance`: the relevance of each query's candidates, most similar first. Who is no
candidate (the query itself, its patient, copies of its images) is taken out there, once, and never reaches a measure.
Of equally similar candidates the less relevant comes first, so that a tie flatters nobody.

ranx has these measures too, and brings numba, pandas, seaborn, fastparquet and ir-datasets for what is a running sum
here; `tests/test_ranked_relevance.py` holds them against scikit-learn and against definitions written out as loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError

__all__ = [
    "average_precision_ranked",
    "label_relevance",
    "ndcg_at",
    "not_candidates",
    "pair_ranks",
    "precision_at",
    "rank_relevance",
    "recall_at",
    "reciprocal_rank",
]


def not_candidates(patients: Sequence[Any], copies: Sequence[Any] | None = None) -> NDArray[np.bool_]:
    """Return who may not answer whom where cases ask for one another, `(N, N)`: itself, its patient, its copies.

    Args:
        patients: whose each case is, `(N,)`.
        copies: what equals between copies of one image, such as a digest of its content, `(N,)`; None: no copies known.
    """
    excluded = _equal(patients)
    return excluded if copies is None else excluded | _equal(copies)


def label_relevance(labels: ArrayLike, candidates: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return how much of their findings two cases share (Jaccard), `(Q, N)`.

    Two cases without any finding share all. A finding that is not known of one of them does not count, and cases of
    which nothing is known together share nothing.

    Args:
        labels: the queries', `(Q, F)`: 1 present, 0 absent, -1 not known.
        candidates: the candidates', `(N, F)`; None: the queries themselves.
    """
    own = np.asarray(labels)
    other = own if candidates is None else np.asarray(candidates)
    present, absent = ([np.asarray(one == value, np.float64) for one in (own, other)] for value in (1, 0))
    both = present[0] @ present[1].T
    neither = absent[0] @ absent[1].T
    known = (present[0] + absent[0]) @ (present[1] + absent[1]).T
    either = known - neither
    return np.where(either > 0, both / np.maximum(either, 1), np.where(known > 0, 1.0, 0.0))


def rank_relevance(similarity: ArrayLike, relevance: ArrayLike, excluded: ArrayLike | None) -> NDArray[np.float64]:
    """Return the relevance of each query's candidates, most similar first, `(Q, N)`, NaN past the last candidate.

    Args:
        similarity: `(Q, N)`.
        relevance: `(Q, N)`, from 0; anything above is relevant.
        excluded: `(Q, N)`, true for who is no candidate: `not_candidates` where cases ask for one another. None, which
            has to be said, where none of the queries can be among the cases: reports that ask for images.

    Raises:
        UsageError: arrays of different shapes, a similarity that is NaN, or a relevance below 0.
    """
    close, wanted = np.asarray(similarity, np.float64), np.array(relevance, np.float64)
    out = np.zeros(close.shape, bool) if excluded is None else np.asarray(excluded, bool)
    if close.ndim != 2 or not close.shape == wanted.shape == out.shape:
        raise UsageError(
            f"similarity is {close.shape}, relevance {wanted.shape} and excluded {out.shape}; give (Q, N) thrice."
        )
    if np.isnan(close[~out]).any() or not (wanted[~out] >= 0).all():
        raise UsageError("A similarity is NaN or a relevance below 0; exclude candidates of which nothing is known.")
    wanted[out] = np.nan  # sorted last
    close = np.where(out, -np.inf, close)
    order = np.lexsort((wanted, -close, out), axis=-1)
    return np.take_along_axis(wanted, order, axis=1)


def precision_at(ranked: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return of each query the relevant among its first `k`, over k, NaN where nothing is relevant."""
    hits = ranked > 0
    return _where_any(hits, hits[:, :k].sum(axis=1) / k)


def recall_at(ranked: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return of each query the share of all its relevant candidates that is among its first `k`, NaN without any."""
    hits = ranked > 0
    return _where_any(hits, hits[:, :k].sum(axis=1) / np.maximum(hits.sum(axis=1), 1))


def average_precision_ranked(ranked: NDArray[np.float64], k: int | None = None) -> NDArray[np.float64]:
    """Return of each query the average precision over the first `k`, or all, NaN where nothing is relevant.

    The precisions at relevant places are summed and divided by how many relevant candidates the corpus holds (at most
    k): not by how many were retrieved, which makes one hit at the top perfect however many were missed (trap T2).
    """
    hits = ranked > 0
    first = hits[:, :k]
    precision = first.cumsum(axis=1) / np.arange(1, first.shape[1] + 1)
    there = hits.sum(axis=1) if k is None else np.minimum(hits.sum(axis=1), k)
    return _where_any(hits, (precision * first).sum(axis=1) / np.maximum(there, 1))


def reciprocal_rank(ranked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each query 1 / the place of its first relevant candidate, NaN where nothing is relevant."""
    hits = ranked > 0
    return _where_any(hits, 1.0 / (1 + hits.argmax(axis=1)))


def ndcg_at(ranked: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return of each query nDCG@k, gains as they are (Järvelin & Kekäläinen 2002), NaN where nothing is relevant."""
    gains = np.nan_to_num(ranked)
    ideal = -np.sort(-gains, axis=1)[:, :k]
    discount = 1.0 / np.log2(np.arange(2, ideal.shape[1] + 2))
    best = ideal @ discount
    return _where_any(gains > 0, gains[:, :k] @ discount / np.where(best > 0, best, 1.0))


def pair_ranks(
    similarity: ArrayLike, partners: ArrayLike | None = None, excluded: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the place of each query's own partner among its candidates, from 1; ties count against it.

    Args:
        similarity: `(Q, N)`.
        partners: which candidate is each query's own, `(Q,)`; None: the one of its number.
        excluded: `(Q, N)`, true for who is no candidate, the partner never.

    Returns:
        `(Q,)`: recall of pairs at k is the mean of `ranks <= k`.

    Raises:
        UsageError: arrays that do not fit, or a partner that is excluded.
    """
    close = np.asarray(similarity, np.float64)
    own = np.arange(len(close)) if partners is None else np.asarray(partners)
    out = np.zeros(close.shape, bool) if excluded is None else np.asarray(excluded, bool)
    if (
        close.ndim != 2
        or out.shape != close.shape
        or own.shape != close.shape[:1]
        or own.max(initial=-1) >= close.shape[1]
    ):
        raise UsageError(
            f"similarity is {close.shape}, excluded {out.shape}, partners {own.shape}: they do not fit; "
            "give (Q, N), (Q, N) and (Q,)."
        )
    if out[np.arange(len(own)), own].any():
        raise UsageError("A query's own partner is excluded; leave it among the candidates.")
    at = close[np.arange(len(own)), own][:, None]
    ranks: NDArray[np.float64] = ((close >= at) & ~out).sum(axis=1).astype(np.float64)
    return ranks


def _where_any(hits: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hits.any(axis=1), values, np.nan)


def _equal(names: Sequence[Any]) -> NDArray[np.bool_]:
    texts = np.asarray([str(one) for one in names])
    same: NDArray[np.bool_] = np.equal(texts[:, None], texts[None, :])
    return same
