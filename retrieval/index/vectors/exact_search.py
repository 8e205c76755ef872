"""Exact search over unit vectors: FAISS over the float16 rows as they are, or NumPy without it; re-scored in float64.

FAISS's last bits depend on the order in which it adds; the re-scoring does not, so equal vectors tie exactly and ties
are broken by key. How far float32 may be off is known (`float32_error`), so what it leaves out cannot be among the
best, and both ways give the same answer.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

__all__ = ["FlatIndex", "cosines", "faiss_here", "float32_error", "nearest_rows"]

_NARROW = 0.1  # share of allowed rows under which scanning just those is cheaper than a selector
_BLOCK = 65536  # rows widened at a time
_EXTRA = 16  # rows asked for beyond k, so that a tie at the end is seen whole
_ROUNDING = 2.0**-24  # of one operation in float32, relative
_LONGEST = 1.01  # a stored row is of unit length but for its float16 rounding


def cosines(rows: NDArray[np.floating], query: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the inner products of `(N, D)` unit rows with `(D,)`, in float64.

    Each row's sum runs in the same order whatever the other rows are, which BLAS does not promise.
    """
    exact: NDArray[np.float64] = np.einsum("nd,d->n", rows.astype(np.float64), query.astype(np.float64))
    return exact


def float32_error(query: NDArray[np.floating]) -> float:
    """Return how far a float32 product of a unit row with `(D,)` may lie from the exact one, in any order of adding.

    The bound is Higham's (Accuracy and Stability of Numerical Algorithms, 3.1), the query rounded to float32 first.
    """
    length = float(np.linalg.norm(np.asarray(query, np.float64)))
    return (len(query) + 3) * _ROUNDING * _LONGEST * length


def nearest_rows(
    rows: NDArray[np.floating], query: NDArray[np.floating], k: int, order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which k of `(N, D)` unit rows are nearest to `(D,)` and their cosines, best first; ties by `order`."""
    places = np.arange(len(rows))
    if k + _EXTRA < len(rows):
        products = rows.astype(np.float32) @ np.asarray(query, np.float32)
        places = _within(places, products, k, 2 * float32_error(query))
    scores = cosines(rows[places], query)
    best = np.lexsort((order[places], -scores))[:k]
    return places[best], scores[best]


@cache
def faiss_here() -> ModuleType | None:
    """Return FAISS, or None where it is not installed: then NumPy compares every row."""
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)  # two threads make one query slower; queries run side by side instead
    module: ModuleType = faiss
    return module


class FlatIndex:
    """`(N, D)` float16 unit rows, searched exactly. `rows` are FAISS's own, so they are held once."""

    def __init__(self, rows: NDArray[np.float16]) -> None:
        faiss = faiss_here()
        count, dim = rows.shape
        if faiss is None:
            self._index = None
            self.rows: NDArray[np.float16] = np.ascontiguousarray(rows, "<f2")
            return
        self._index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        # FAISS's half floats are IEEE's, as ours are: the codes are the rows.
        self._index.add_sa_codes(np.ascontiguousarray(rows, "<f2").view(np.uint8).reshape(count, 2 * dim))
        codes = faiss.rev_swig_ptr(self._index.codes.data(), count * 2 * dim) if count else np.zeros(0, np.uint8)
        self.rows = codes.view("<f2").reshape(count, dim)

    def search(
        self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_], order: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the k allowed rows nearest to `(D,)` and their cosines, best first; ties by `order`."""
        rows = self.candidates(query, k, allowed)
        best, scores = nearest_rows(self.rows[rows], query, k, order[rows])
        return rows[best], scores

    def candidates(self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the k allowed rows nearest to `(D,)` and a few that may be as near, in no order."""
        subset = np.flatnonzero(allowed)
        if k + _EXTRA >= len(subset):
            return subset
        asked_with, slack = np.ascontiguousarray(query, np.float32), 2 * float32_error(query)
        if self._index is None or len(subset) < _NARROW * len(allowed):
            return _within(subset, self._products(subset, asked_with), k, slack)
        asked = k + _EXTRA
        while True:
            scores, rows = self._index.search(asked_with[None], asked, params=self._only(allowed, len(subset)))
            if asked == len(subset) or scores[0, -1] < scores[0, k - 1] - slack:
                ids: NDArray[np.int64] = rows[0][rows[0] >= 0].astype(np.int64)
                return ids
            asked = min(8 * asked, len(subset))  # a run of near ties: see all of it

    def _products(self, subset: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        products = np.empty(len(subset), np.float32)
        for start in range(0, len(subset), _BLOCK):
            part = subset[start : start + _BLOCK]
            products[start : start + _BLOCK] = self.rows[part].astype(np.float32) @ query
        return products

    def _only(self, allowed: NDArray[np.bool_], count: int) -> object | None:
        if count == len(allowed):
            return None
        faiss = faiss_here()
        if faiss is None:
            return None
        bits = np.packbits(allowed, bitorder="little")
        parameters = faiss.SearchParameters()
        parameters.sel = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters.kept_alive = bits  # FAISS keeps a bare pointer
        found: object = parameters
        return found


def _within(subset: NDArray[np.int64], scores: NDArray[np.float32], k: int, slack: float) -> NDArray[np.int64]:
    """Return the rows that may be among the k best, whatever the last bits of their scores."""
    close: NDArray[np.bool_] = scores >= np.partition(scores, len(scores) - k)[len(scores) - k] - slack
    return subset[close]
