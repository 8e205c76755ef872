"""Exact search over sentences' vectors, of which many are equal: each different vector is held and compared once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.vectors.exact_search import FlatIndex, cosines

__all__ = ["SentenceIndex"]

_BLOCK = 65536  # rows compared at a time


class SentenceIndex:
    """`(N, D)` float16 unit rows in the order of their sentences."""

    def __init__(self, rows: NDArray[np.float16]) -> None:
        first, self._group = _different(rows)
        self._flat = FlatIndex(rows[first])
        self._order = self._first_places(np.arange(len(rows)))

    def cosines(self, places: NDArray[np.int64], query: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the cosines of some sentences with `(D,)`."""
        return cosines(self._flat.rows[self._group[places]], query)

    def search(
        self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the k allowed sentences nearest to `(D,)` and their cosines, best first; ties by place."""
        there = np.flatnonzero(allowed)
        order = self._order if len(there) == len(allowed) else self._first_places(there)
        groups, scores = self._flat.search(query, k, order < len(allowed), order)
        of_group = np.full(len(order), -np.inf)
        of_group[groups] = scores
        every = of_group[self._group[there]]
        places, every = there[every > -np.inf], every[every > -np.inf]
        best = np.lexsort((places, -every))[:k]
        return places[best], every[best]

    def _first_places(self, there: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return of each different vector the first of these places that has it; one past the end where none has."""
        order = np.full(len(self._flat.rows), len(self._group), np.int64)
        order[self._group[there[::-1]]] = there[::-1]  # the last one written stays
        return order


def _different(rows: NDArray[np.float16]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a row of each different vector, and for every row which of those it equals."""
    bits = np.ascontiguousarray(rows).view(np.uint16)
    chance = np.random.default_rng(0).integers(0, 1 << 62, bits.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    if bits.shape[1] % 4 == 0:
        words = bits.view(np.uint64)
        sums = words @ chance[: words.shape[1]]
    else:
        sums = np.array([int((row.astype(np.uint64) * chance).sum()) for row in bits], np.uint64)
    _, first, group = np.unique(sums, return_index=True, return_inverse=True)
    first, group = first.astype(np.int64), group.astype(np.int64)
    # Different rows of one sum, should there be any, stand for themselves.
    alone = [
        start + np.flatnonzero((bits[start : start + _BLOCK] != bits[first[group[start : start + _BLOCK]]]).any(axis=1))
        for start in range(0, len(bits), _BLOCK)
    ]
    others = np.concatenate([np.zeros(0, np.int64), *alone])
    group[others] = len(first) + np.arange(len(others))
    return np.concatenate([first, others]), group
