"""Retrieval as published scripts measure it, and as it should be: from labels, texts and similarities alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.published_metrics import BothWays

__all__ = ["class_precision", "label_overlap_both_ways", "pairs_both_ways", "structure_recall"]


def label_overlap_both_ways(
    labels: ArrayLike, similarity: ArrayLike, ks: Sequence[int], patients: Sequence[str]
) -> list[BothWays]:
    """Return the mean overlap (Jaccard) of a study's labels with those of its k nearest, both ways.

    Published: the study itself is in the gallery, and each k's value averages those of all smaller k too, as
    `volume_to_volume_new.py` of CT-CLIP has it. Ours: other patients only, each k for itself.

    Args:
        labels: `(N, F)`: 1 present; anything else is not. Studies without a label ask nothing, and may be found.
        similarity: `(N, N)`: of each study, a row, to every other; ties count in the order of studies.
        ks: cut-offs, ascending.
        patients: `(N,)`: whose the studies are.

    Returns:
        A row for each k, NaN where no study has a label, or for ours no other patient.

    Raises:
        UsageError: where the shapes do not fit.
    """
    has, matrix = np.asarray(labels) == 1, _square(similarity, len(patients))
    overlap = _jaccard(has)
    asking = has.any(1)
    owner = np.unique(np.asarray(patients), return_inverse=True)[1]
    others = np.where(owner[:, None] == owner[None, :], -np.inf, matrix)
    selfish = np.array(matrix)
    np.fill_diagonal(selfish, np.inf)
    plain = [_mean_at(overlap, selfish, asking, k) for k in ks]
    grown = [float(np.mean(plain[: place + 1])) for place in range(len(ks))]
    return [
        BothWays(f"label overlap at {k}", "growing_k", "", published, _mean_at(overlap, others, asking, k))
        for k, published in zip(ks, grown, strict=True)
    ]


def pairs_both_ways(similarity: ArrayLike, texts: Sequence[str], ks: Sequence[int]) -> list[BothWays]:
    """Return recall at k and mean rank of images and their texts, in both directions and both ways.

    Published: an image is asked for its text among the texts once each; a text is asked for its own image alone among
    all, so that equal texts compete. Ours: equal texts are equally right in both directions.

    Args:
        similarity: `(N, N)`: of image i, a row, to text j; pairs lie on the diagonal. Ties count against the pair.
        texts: `(N,)`, as written; equal ones are one text.
        ks: cut-offs.

    Returns:
        Rows of image to text, then of text to image: recall at each k, then mean rank (1 is best).

    Raises:
        UsageError: where the shapes do not fit.
    """
    matrix = _square(similarity, len(texts))
    _, first, number = np.unique(np.asarray(texts), return_index=True, return_inverse=True)
    same = number[:, None] == number[None, :]
    to_text = _ranks(matrix[:, first], number[:, None] == np.arange(len(first))[None, :])
    own = _ranks(matrix.T, np.eye(len(texts), dtype=bool))
    right = _ranks(matrix.T, same)
    return [*_rows("image to text", to_text, to_text, ks), *_rows("text to image", own, right, ks)]


def class_precision(wanted: ArrayLike, found: ArrayLike, similarity: ArrayLike, ks: Sequence[int]) -> list[float]:
    """Return the share of the k nearest that are of the query's class, for each k (GLoRIA).

    `wanted (Q,)` and `found (N,)` are classes, `similarity (Q, N)`; queries and gallery are of two kinds.
    """
    matrix = np.asarray(similarity, float)
    order = np.argsort(-matrix, axis=1, kind="stable")
    hits = np.asarray(found)[order] == np.asarray(wanted)[:, None]
    return [float(hits[:, :k].mean()) for k in ks]


def structure_recall(
    labels: ArrayLike, similarity: ArrayLike, patients: Sequence[str], *, k: int = 1
) -> NDArray[np.float64]:
    """Return for each structure the share of its queries of whose k nearest one holds it, other patients only.

    `labels (N, F)`: 1 where a study holds a structure; each study asks for each that it holds. NaN for a structure of
    no study. `similarity (N, N)`, `patients (N,)`.
    """
    has, matrix = np.asarray(labels) == 1, _square(similarity, len(patients))
    owner = np.unique(np.asarray(patients), return_inverse=True)[1]
    near = _nearest(np.where(owner[:, None] == owner[None, :], -np.inf, matrix), k)
    found = np.array([has[row].any(0) if len(row) else np.zeros(has.shape[1], bool) for row in near])
    return np.array([found[has[:, f], f].mean() if has[:, f].any() else np.nan for f in range(has.shape[1])])


def _rows(way: str, published: NDArray[np.intp], ours: NDArray[np.intp], ks: Sequence[int]) -> list[BothWays]:
    flaw = "one_sided_duplicates"
    rows = [
        BothWays(f"{way}, recall at {k}", flaw, "", float((published <= k).mean()), float((ours <= k).mean()))
        for k in ks
    ]
    return [*rows, BothWays(f"{way}, mean rank", flaw, "", float(published.mean()), float(ours.mean()))]


def _ranks(matrix: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the rank of each row's best right answer; a wrong one that is as near comes before it."""
    best = np.where(right, matrix, -np.inf).max(1, keepdims=True)
    ranks: NDArray[np.intp] = ((matrix >= best) & ~right).sum(1) + 1
    return ranks


def _jaccard(has: NDArray[np.bool_]) -> NDArray[np.float64]:
    both = has.astype(float) @ has.T.astype(float)
    either = has.sum(1)[:, None] + has.sum(1)[None, :] - both
    overlap: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return overlap


def _mean_at(overlap: NDArray[np.float64], matrix: NDArray[np.float64], asking: NDArray[np.bool_], k: int) -> float:
    means = [overlap[query, row].mean() for query, row in enumerate(_nearest(matrix, k)) if asking[query] and len(row)]
    return float(np.mean(means)) if means else float("nan")


def _nearest(matrix: NDArray[np.float64], k: int) -> list[NDArray[np.intp]]:
    """Return of each row the k largest, without those at minus infinity; ties in their order."""
    order = np.argsort(-matrix, axis=1, kind="stable")
    return [row[: min(k, int((values > -np.inf).sum()))] for row, values in zip(order, matrix, strict=True)]


def _square(similarity: ArrayLike, count: int) -> NDArray[np.float64]:
    matrix = np.asarray(similarity, float)
    if matrix.shape != (count, count):
        raise UsageError(f"Similarities are {matrix.shape}; give ({count}, {count}), every study to every other.")
    return matrix
