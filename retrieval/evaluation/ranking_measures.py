"""The measures of `ranked_relevance` over many queries, each with its interval by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.estimate import Estimate
from radseek.retrieval.evaluation.patient_draws import Patients, mean_estimates, patient_draws
from radseek.retrieval.evaluation.ranked_relevance import (
    average_precision_ranked,
    ndcg_at,
    pair_ranks,
    precision_at,
    rank_relevance,
    recall_at,
    reciprocal_rank,
)

__all__ = ["CUTS", "PairMeasures", "RankingMeasures", "measure_pairs", "measure_ranking"]

CUTS: Final = (1, 5, 10)
_CELLS: Final = 4_000_000  # of a similarity, ranked at a time


@dataclass(frozen=True, slots=True)
class RankingMeasures:
    """Means over queries that have at least one relevant candidate; `without` queries have none and are not in them.

    `precision`, `recall`, `ndcg` and `average_precision` by cut; `mean_average_precision` and `reciprocal_rank` (MAP
    and MRR) over whole rankings. `first_rank`: the mean place of the first relevant candidate.
    """

    queries: int
    without: int
    precision: Mapping[int, Estimate]
    recall: Mapping[int, Estimate]
    ndcg: Mapping[int, Estimate]
    average_precision: Mapping[int, Estimate]
    mean_average_precision: Estimate
    reciprocal_rank: Estimate
    first_rank: Estimate


@dataclass(frozen=True, slots=True)
class PairMeasures:
    """How well each query finds the one candidate that is its own: `recall` by cut, mean and median `rank` of it.

    It counts every other answer as wrong, equally good ones too (trap T7): read it beside `RankingMeasures.ndcg`.
    """

    queries: int
    recall: Mapping[int, Estimate]
    mean_rank: Estimate
    median_rank: float
    reciprocal_rank: Estimate


def measure_ranking(
    similarity: ArrayLike,
    relevance: ArrayLike,
    patients: Patients,
    excluded: ArrayLike | None,
    *,
    cuts: Sequence[int] = CUTS,
    repeats: int = 1000,
    seed: int = 0,
) -> RankingMeasures:
    """Measure how well relevant candidates come before others.

    Args:
        similarity: `(Q, N)`.
        relevance: `(Q, N)`, from 0, graded or not: `label_relevance`.
        patients: whose each query is, `(Q,)`.
        excluded: `(Q, N)`, true for who is no candidate: `not_candidates` where cases ask for one another; None where
            no query can be among the candidates.
        cuts: at which k to measure.
        repeats: how many resamples of patients.
        seed: of the resamples.

    Raises:
        UsageError: arrays that do not fit, no query, or no query with a relevant candidate.
    """
    close, wanted = np.asarray(similarity), np.asarray(relevance)
    out = np.zeros(close.shape, bool) if excluded is None else np.asarray(excluded, bool)
    if close.ndim != 2 or not close.shape == wanted.shape == out.shape or len(close) != len(patients):
        raise UsageError(
            f"similarity is {close.shape}, relevance {wanted.shape}, excluded {out.shape} and patients "
            f"({len(patients)},); give (Q, N) thrice, and a patient a query."
        )
    step = max(1, _CELLS // max(close.shape[1], 1))
    parts = [slice(start, start + step) for start in range(0, len(close), step)]
    values = [_query_values(rank_relevance(close[one], wanted[one], out[one]), cuts) for one in parts]
    table = np.concatenate(values) if values else np.empty((0, 1))
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    if np.isnan(table[:, 0]).all():
        raise UsageError("No query has a relevant candidate, so nothing can be found. Check labels and exclusions.")
    means = iter(mean_estimates(table[:, 1:], draws))
    (first,) = mean_estimates(table[:, :1], draws, "percentile")
    precision, recall, ndcg, average = ({cut: next(means) for cut in cuts} for _ in _AT)
    without = int(np.isnan(table[:, 0]).sum())
    return RankingMeasures(
        len(close), without, precision, recall, ndcg, average, next(means), next(means), first_rank=first
    )


def measure_pairs(
    similarity: ArrayLike,
    patients: Patients,
    partners: ArrayLike | None = None,
    excluded: ArrayLike | None = None,
    *,
    cuts: Sequence[int] = CUTS,
    repeats: int = 1000,
    seed: int = 0,
) -> PairMeasures:
    """Measure how well each query finds its own partner: a report its images, say.

    Args:
        similarity: `(Q, N)`.
        patients: whose each query is, `(Q,)`.
        partners: which candidate is each query's own, `(Q,)`; None: the one of its number.
        excluded: `(Q, N)`, true for who is no candidate; None: all are.
        cuts: at which k to measure.
        repeats: how many resamples of patients.
        seed: of the resamples.

    Raises:
        UsageError: arrays that do not fit, no query, or a partner that is excluded.
    """
    ranks = pair_ranks(similarity, partners, excluded)
    if len(ranks) != len(patients):
        raise UsageError(f"There are {len(ranks)} queries and {len(patients)} patients; give a patient a query.")
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    found = mean_estimates(np.column_stack([*(ranks <= cut for cut in cuts), 1.0 / ranks]), draws)
    (mean,) = mean_estimates(ranks[:, None], draws, "percentile")
    return PairMeasures(len(ranks), dict(zip(cuts, found, strict=False)), mean, float(np.median(ranks)), found[-1])


_AT = (precision_at, recall_at, ndcg_at, average_precision_ranked)  # as RankingMeasures lists them


def _query_values(ranked: NDArray[np.float64], cuts: Sequence[int]) -> NDArray[np.float64]:
    """Return each query's values as columns: first rank, every measure of `_AT` at every cut, AP, reciprocal rank."""
    reciprocal = reciprocal_rank(ranked)
    at = (measure(ranked, cut) for measure in _AT for cut in cuts)
    return np.column_stack([1.0 / reciprocal, *at, average_precision_ranked(ranked), reciprocal])
