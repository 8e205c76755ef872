"""How well an archive answers from itself: studies that ask for studies like them, reports that ask for their images.

What is measured is what `similar` does: pooled views of one name are compared, a case's score is the mean over the
query's views of its best. The query itself, its patient, and copies of its images are no answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.estimate import Estimate
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.ranked_relevance import label_relevance, not_candidates
from radseek.retrieval.evaluation.ranking_measures import CUTS, measure_pairs, measure_ranking
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.vectors.vector_table import vector_table

__all__ = [
    "ArchiveRetrieval",
    "RetrievalWay",
    "archive_retrieval",
    "even_sample",
    "report_similarity",
    "study_similarity",
]

MOST_STUDIES: Final = 3000  # that are compared with one another; of more, an even sample by key
_BLOCK: Final = 256  # query rows compared at once
_SAME: Final = 1 - 1e-6  # cosine of whole studies over which one is a copy of the other


@dataclass(frozen=True, slots=True)
class RetrievalWay:
    """One way of asking: what it is, how many `queries`, measures `at` each of `ks`, and `overall` ones.

    `without`: queries left out, since nothing in the archive is relevant to them.
    """

    title: str
    said: str
    queries: int
    without: int
    ks: tuple[int, ...]
    at: Mapping[str, tuple[Estimate, ...]]
    overall: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class ArchiveRetrieval:
    """What was measured, over `studies` studies of an archive of `of`."""

    studies: int
    of: int
    ways: tuple[RetrievalWay, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what the evaluation's document says of it."""
        return asdict(self)


def archive_retrieval(
    store: LocalStore, labels: LabelTable, *, repeats: int = 1000, seed: int = 0
) -> ArchiveRetrieval | None:
    """Measure retrieval among labelled studies, and from reports to their images where there are reports.

    Args:
        store: an open index.
        labels: of studies of it. Relevance is how much of their findings two studies share (Jaccard).
        repeats: resamples of patients.
        seed: of the resamples.

    Returns:
        What was measured; None where fewer than two studies have labels, or no two of them share a finding.
    """
    count = len(labels.studies)
    rows = even_sample(count)
    if len(rows) < 2:
        return None
    studies, patients = ([names[row] for row in rows] for names in (labels.studies, labels.patients))
    similarity, whole = study_similarity(store, studies)
    excluded = not_candidates(patients) | (whole @ whole.T > _SAME)
    relevance = label_relevance(labels.values[rows])
    ways = [_similar(similarity, relevance, patients, excluded, repeats, seed)]
    ways.append(_reports(store, studies, patients, whole, repeats, seed))
    found = tuple(way for way in ways if way is not None)
    return ArchiveRetrieval(len(rows), count, found) if found else None


def even_sample(count: int) -> NDArray[np.int_]:
    """Return which of `count` studies, in the order of their keys, are compared with one another."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_STUDIES)).astype(int)) if count else np.arange(0)


def study_similarity(store: LocalStore, studies: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how similar studies are, `(N, N)`, row by row as queries, and their whole vectors `(N, D)`.

    Args:
        store: an open index.
        studies: keys of N of its studies.

    Returns:
        `similar`'s score; and the unit mean of a study's pooled views, zeros for one without any.
    """
    place = {key: row for row, key in enumerate(studies)}
    table = vector_table(store, "view")
    kept = np.array([row for row, key in enumerate(table.keys) if key.study in place], int)
    owner = np.array([place[table.keys[row].study] for row in kept], int)
    names = np.array([str(table.keys[row].view) for row in kept])
    vectors = table.vectors[kept]
    total = np.zeros((len(studies), len(studies)), np.float32)
    for name in sorted(set(names.tolist())):
        mine = np.flatnonzero(names == name)
        mine = mine[np.argsort(owner[mine], kind="stable")]
        total += _of_one_view(vectors[mine], owner[mine], len(studies))
    views = np.bincount(owner, minlength=len(studies)).astype(np.float32)
    whole = np.zeros((len(studies), table.vectors.shape[1]), np.float32)
    np.add.at(whole, owner, vectors)
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(views, 1)[:, None], np.float32), np.asarray(
        whole / np.maximum(lengths, 1e-12), np.float32
    )


def _of_one_view(vectors: NDArray[np.float32], owner: NDArray[np.int_], count: int) -> NDArray[np.float32]:
    """Return the sum over each query's views of one name of its best cosine in each case, `(N, N)`; owners ascend."""
    held, first = np.unique(owner, return_index=True)
    total = np.zeros((count, count), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        best = np.maximum.reduceat(vectors[block] @ vectors.T, first, axis=1)
        spread = np.zeros((len(best), count), np.float32)
        spread[:, held] = best
        np.add.at(total, owner[block], spread)
    return total


def _similar(
    similarity: NDArray[np.float32],
    relevance: NDArray[np.float64],
    patients: Sequence[str],
    excluded: NDArray[np.bool_],
    repeats: int,
    seed: int,
) -> RetrievalWay | None:
    try:
        found = measure_ranking(similarity, relevance, patients, excluded, repeats=repeats, seed=seed)
    except UsageError:  # no two studies of different patients share a finding
        return None
    at = {"precision": found.precision, "recall": found.recall, "nDCG": found.ndcg, "AP": found.average_precision}
    return RetrievalWay(
        title="Studies that ask for studies like them",
        said="Relevant is a study that shares findings; nDCG weighs how many (Jaccard). AP counts every relevant one.",
        queries=found.queries,
        without=found.without,
        ks=CUTS,
        at={name: tuple(by_cut[cut] for cut in CUTS) for name, by_cut in at.items()},
        overall={
            "MAP": found.mean_average_precision,
            "MRR": found.reciprocal_rank,
            "mean rank of the first relevant study": found.first_rank,
        },
    )


def _reports(
    store: LocalStore,
    studies: Sequence[str],
    patients: Sequence[str],
    whole: NDArray[np.float32],
    repeats: int,
    seed: int,
) -> RetrievalWay | None:
    """Ask with each report for its own study; studies with the same report word for word are no competitors."""
    asking, reports, similarity = report_similarity(store, studies, whole)
    if len(asking) < 2:
        return None
    owners = [patients[row] for row in asking]
    out = not_candidates(owners, reports) & ~np.eye(len(asking), dtype=bool)
    found = measure_pairs(similarity, owners, None, out, repeats=repeats, seed=seed)
    return RetrievalWay(
        title="Reports that ask for their own images",
        said="Only the report's own study is right; other studies of the patient, and of the same words, are left out.",
        queries=found.queries,
        without=0,
        ks=CUTS,
        at={"pair recall": tuple(found.recall[cut] for cut in CUTS)},
        overall={"mean rank": found.mean_rank, "MRR": found.reciprocal_rank},
    )


def report_similarity(
    store: LocalStore, studies: Sequence[str], whole: NDArray[np.float32]
) -> tuple[list[int], list[str], NDArray[np.float32]]:
    """Return which studies have a report and a view, M of them, their reports, and `(M, M)`: report by study.

    A report's vector is the unit mean of its sentences'; `whole`: those of the studies, as `study_similarity` has them.
    Of an encoder without a text tower no report has a vector.
    """
    cases = {case.key: case for case in store.cases(studies=studies)}
    asking = [row for row, key in enumerate(studies) if store.spec.text and cases[key].sentences and whole[row].any()]
    texts = [_report_vector(store.sentence_vectors(studies[row])) for row in asking]
    similarity = np.stack(texts) @ whole[asking].T if asking else np.zeros((0, 0), np.float32)
    return asking, [cases[studies[row]].report or "" for row in asking], np.asarray(similarity, np.float32)


def _report_vector(sentences: NDArray[np.float16]) -> NDArray[np.float32]:
    mean = sentences.astype(np.float32).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
