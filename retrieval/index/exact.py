"""Exact search over one view name's pooled vectors: FAISS flat inner product, re-scored in float64.

FAISS's last bits depend on how many queries and rows it is given; the re-scoring does not, so equal vectors tie
exactly and ties are broken by key.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import MissingExtraError

__all__ = ["FlatIndex", "cosines"]

_NARROW = 0.1  # share of allowed rows under which scanning just those is cheaper than a selector
_SLACK = 1e-5  # how far FAISS's float32 score may lie from the exact one
_EXTRA = 16  # rows asked for beyond k, so that a tie at the end is seen whole


def cosines(rows: NDArray[np.floating], query: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the inner products of `(N, D)` unit rows with `(D,)`, in float64.

    Products of float16 values are exact in float64, so the result does not depend on the other rows.
    """
    exact: NDArray[np.float64] = rows.astype(np.float64) @ query.astype(np.float64)
    return exact


@cache
def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "Searching an index needs FAISS: install radseek[cpu], or radseek[gpu] on a machine with a GPU."
        ) from error
    faiss.omp_set_num_threads(1)  # two threads make one query slower; queries run side by side instead
    module: ModuleType = faiss
    return module


class FlatIndex:
    """`(N, D)` float16 unit rows, searched exactly."""

    def __init__(self, rows: NDArray[np.float16]) -> None:
        self.rows = rows
        faiss = _faiss()
        self._index = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, np.float32))

    def search(
        self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_], order: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the k allowed rows nearest to `(D,)` and their cosines, best first; ties by `order`."""
        rows = self._candidates(np.ascontiguousarray(query, np.float32), k, allowed)
        scores = cosines(self.rows[rows], query)
        best = np.lexsort((order[rows], -scores))[:k]
        return rows[best], scores[best]

    def _candidates(self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        subset = np.flatnonzero(allowed)
        if k + _EXTRA >= len(subset):
            return subset
        if len(subset) < _NARROW * len(allowed):
            return _within(subset, self.rows[subset].astype(np.float32) @ query, k)
        asked = k + _EXTRA
        while True:
            scores, rows = self._index.search(query[None], asked, params=self._only(allowed, len(subset)))
            if asked == len(subset) or scores[0, -1] < scores[0, k - 1] - _SLACK:
                ids: NDArray[np.int64] = rows[0][rows[0] >= 0].astype(np.int64)
                return ids
            asked = min(4 * asked, len(subset))  # a run of near ties: see all of it

    def _only(self, allowed: NDArray[np.bool_], count: int) -> object | None:
        if count == len(allowed):
            return None
        faiss = _faiss()
        bits = np.packbits(allowed, bitorder="little")
        parameters = faiss.SearchParameters()
        parameters.sel = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters.kept_alive = bits  # FAISS keeps a bare pointer
        found: object = parameters
        return found


def _within(subset: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the rows that may be among the k best, whatever the last bits of their scores."""
    close: NDArray[np.bool_] = scores >= np.partition(scores, len(scores) - k)[len(scores) - k] - _SLACK
    return subset[close]
