"""How well pooled volumes are found, by their reports and by other volumes: pair recall@5 and label-aware nDCG@10.

    report -> volume    a report's vector against each study's mean over its views of the cosine
    volume -> volume    as `similar`: the mean over the query's views of its best view of that name

A volume's own pair is, for a report, its study, and for a volume its other half: every second slice finds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.pooling.adapted_encoder import Pool
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.metrics import Estimate, bootstrap, ndcg, pair_recall

__all__ = ["Comparison", "PooledViews", "Similarities", "compare", "estimate", "query_values", "shared", "similarities"]

NamedSlices = Sequence[tuple[str, NDArray[np.floating]]]  # a study's views: name and `(N, D)` slice vectors
PooledViews = Sequence[tuple[str, NDArray[np.float32]]]  # a study's views: name and `(D,)` unit vector
NEAREST, BEST = 5, 10


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """`(S, S)` each, queries in rows: reports with studies, studies with studies, even slices with odd slices."""

    report: NDArray[np.float64]
    volume: NDArray[np.float64]
    halves: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure before and after, and the difference, study by study; intervals by patient."""

    measure: str
    before: Estimate
    after: Estimate
    difference: Estimate


def similarities(pool: Pool, studies: Sequence[NamedSlices], texts: NDArray[np.floating]) -> Similarities:
    """Return the three similarities of S studies with their report vectors `texts (S, D)` under one pooling."""
    whole, even, odd = ([_pooled(pool, study, part) for study in studies] for part in (_ALL, _EVEN, _ODD))
    means = np.stack([np.mean([vector for _, vector in study], axis=0) for study in whole])
    report = np.asarray(texts, np.float64) @ means.astype(np.float64).T
    return Similarities(report, _between(whole, whole), _between(even, odd))


def query_values(found: Similarities, relevance: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return each measure's value for each of S queries, NaN where no candidate is relevant.

    `relevance (S, S)` is from `shared`. A volume is no answer to itself.
    """
    others = np.where(np.eye(len(relevance), dtype=bool), -2.0, found.volume)
    wanted = np.where(np.eye(len(relevance), dtype=bool), 0.0, relevance)
    return {
        f"report -> volume, pair recall@{NEAREST}": pair_recall(found.report, k=NEAREST),
        f"report -> volume, nDCG@{BEST}": ndcg(relevance, found.report, k=BEST),
        f"volume -> volume, pair recall@{NEAREST}": pair_recall(found.halves, k=NEAREST),
        f"volume -> volume, nDCG@{BEST}": ndcg(wanted, others, k=BEST),
    }


def shared(findings: Sequence[frozenset[str] | None]) -> NDArray[np.float64]:
    """Return `(S, S)` relevance: the share of two studies' findings that they have in common (Jaccard).

    Two studies without any finding have all in common; None is a study of which nothing is known.
    """

    def common(one: frozenset[str] | None, other: frozenset[str] | None) -> float:
        if one is None or other is None:
            return 0.0
        return len(one & other) / len(one | other) if one | other else 1.0

    return np.array([[common(one, other) for other in findings] for one in findings])


def compare(
    before: Mapping[str, NDArray[np.float64]], after: Mapping[str, NDArray[np.float64]], patients: Sequence[str]
) -> list[Comparison]:
    """Return the measures that at least one study allows."""
    found = []
    for name in before:
        if not np.isnan(before[name]).all():
            three = (before[name], after[name], after[name] - before[name])
            found.append(Comparison(name, *(estimate(values, patients) for values in three)))
    return found


def estimate(values: NDArray[np.float64], patients: Sequence[str]) -> Estimate:
    """Return the mean of values a study, those that are not NaN, with its patient-level interval."""
    known = [i for i, value in enumerate(values) if not np.isnan(value)]
    if not known:
        raise UsageError(
            "No study allows this measure: no two of them share a finding; bring reports or labels of more studies."
        )
    kept = values[known]
    return bootstrap(lambda rows: float(kept[rows].mean()), [patients[i] for i in known])


_ALL, _EVEN, _ODD = slice(None), slice(0, None, 2), slice(1, None, 2)


def _pooled(pool: Pool, study: NamedSlices, part: slice) -> PooledViews:
    return [(name, pool(np.asarray(slices[part] if len(slices) > 1 else slices))) for name, slices in study]


def _between(queries: Sequence[PooledViews], candidates: Sequence[PooledViews]) -> NDArray[np.float64]:
    """Return the mean over a query's views of the candidate's best view of that name, 0 for one that it lacks."""
    table: dict[str, tuple[NDArray[np.float64], NDArray[np.intp]]] = {}
    for name in {name for study in candidates for name, _ in study}:
        rows = [(vector, i) for i, study in enumerate(candidates) for other, vector in study if other == name]
        table[name] = np.stack([vector for vector, _ in rows]).astype(np.float64), np.array([i for _, i in rows])
    found = np.zeros((len(queries), len(candidates)))
    for i, study in enumerate(queries):
        for name, vector in study:
            if name in table:
                best = np.full(len(candidates), -np.inf)
                np.maximum.at(best, table[name][1], table[name][0] @ vector)
                found[i] += np.where(np.isfinite(best), best, 0.0) / len(study)
    return found
