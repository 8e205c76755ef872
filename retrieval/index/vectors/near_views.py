"""The nearest stored views of one name: what is asked, what answers, and the exact answer from the rows themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.store import Scope
from radseek.retrieval.index.vectors.exact_search import cosines

__all__ = ["AskedViews", "FoundViews", "ViewSearcher", "best_of"]

FoundViews = tuple[NDArray[np.int64], NDArray[np.float64]]  # places in the ViewTable, and their cosines


@dataclass(frozen=True, slots=True, eq=False)
class AskedViews:
    """Where to look: the places in the `table` of the views of one name (`named`), those in scope being `allowed`.

    `rows` returns the `(n, D)` pooled vectors of views by place; `passing`, how many views of that name are in a scope.
    """

    view: str
    scope: Scope
    table: ViewTable
    named: NDArray[np.int64]
    allowed: NDArray[np.bool_]  # one flag each of `named`
    rows: Callable[[NDArray[np.int64]], NDArray[np.float16]]
    passing: Callable[[Scope], int]


class ViewSearcher(Protocol):
    """Another way to the same answer than comparing every row, for archives that have too many of them."""

    def search(self, asked: AskedViews, queries: NDArray[np.floating], k: int) -> list[FoundViews] | None:
        """Return for each of `(Q, D)` queries its k best views, best first; None where it cannot say."""
        ...


def best_of(asked: AskedViews, places: NDArray[np.int64], query: NDArray[np.floating], k: int) -> FoundViews:
    """Return the k best of some views by their cosine with `(D,)` in float64, best first; ties by place."""
    scores = cosines(asked.rows(places), query)
    best = np.lexsort((places, -scores))[:k]
    return places[best], scores[best]
