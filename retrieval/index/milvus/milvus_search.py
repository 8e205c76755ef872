"""The nearest views by way of Milvus: candidates from there, scored again in float64 from the index's own rows.

A flat collection cannot change an answer: how far its float32 may be off is known, and more candidates are asked for
until none that was left out can be among the best. Where that is not certain (fewer rows than asked for, more ties than
Milvus gives at once, another state of the index, no answer) every row is compared here instead. Of an approximate
collection the candidates are as good as its index is; their scores and order are exact all the same.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UnreachableError
from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.milvus.filter_compiler import compile_scope
from radseek.retrieval.index.milvus.index_state import is_finished, stands_for
from radseek.retrieval.index.milvus.view_collection import MOST_FOUND, ViewCollection
from radseek.retrieval.index.store import Store
from radseek.retrieval.index.vectors.exact_search import float32_error
from radseek.retrieval.index.vectors.near_views import AskedViews, FoundViews, best_of

__all__ = ["MilvusSearch", "none_is_missed"]

_FEW = 2048  # views in scope that are compared here: reading them is quicker than asking
_EXTRA = 16  # rows asked for beyond k, so that a tie at the end is seen whole
_GROWTH = 8  # times as many the next time
_SPARE = 1.5  # times what a filter that cannot be sent is expected to leave


class MilvusSearch:
    """Implements `ViewSearcher` with a collection that holds `state` of an index, as long as it does."""

    def __init__(self, collection: ViewCollection, store: Store, state: str) -> None:
        self._collection, self._store, self._state = collection, store, state
        self._first = self._last = collection.stamp()
        self._places: tuple[ViewTable, NDArray[np.int64]] | None = None
        self._said = ""  # what was warned of last
        if not stands_for(self._first, state):
            self._warn("holds another state of this index")

    def moved_on(self) -> bool:
        """Say whether a push has ended since the index was opened, so that opening it again may bring both together."""
        return is_finished(self._last) and self._last != self._first

    def search(self, asked: AskedViews, queries: NDArray[np.floating], k: int) -> list[FoundViews] | None:
        """Return for each of `(Q, D)` queries its k best views, best first; None where Milvus cannot say."""
        inside = asked.named[asked.allowed]
        if len(inside) <= _FEW or len(inside) <= min(k + _EXTRA, MOST_FOUND):
            return [best_of(asked, inside, query, k) for query in queries]
        if k + _EXTRA > MOST_FOUND:
            return None
        try:
            before = self._collection.stamp()
            found = self._found(asked, queries, k, inside) if stands_for(before, self._state) else None
            self._last = self._collection.stamp()
        except UnreachableError as error:
            self._warn(f"could not be asked ({error})")
            return None
        if not stands_for(before, self._state) or self._last != before:
            self._warn("holds another state of this index")
            return None
        return found

    def _found(
        self, asked: AskedViews, queries: NDArray[np.floating], k: int, inside: NDArray[np.int64]
    ) -> list[FoundViews] | None:
        condition = compile_scope(asked.view, asked.scope, self._store.values_of)
        limit = _first_limit(k, len(inside), asked.passing(condition.scope))
        is_inside = np.zeros(len(asked.table.id), bool)
        is_inside[inside] = True
        found: dict[int, FoundViews] = {}
        waiting = list(range(len(queries)))
        while waiting:
            answers = self._collection.search(np.asarray(queries[waiting], np.float32), limit, condition)
            for number, (ids, scores) in zip(waiting, answers, strict=True):
                places = self._placed(asked.table, ids)
                kept = (places >= 0) & is_inside[places] & _is_first(places)
                slack = 2 * float32_error(queries[number])
                if none_is_missed(scores, kept, k, slack) or int(kept.sum()) == len(inside):
                    found[number] = best_of(asked, places[kept], queries[number], k)
                elif len(ids) < limit:
                    return None  # an approximate index that came back short
            waiting = [number for number in waiting if number not in found]
            if waiting and limit == MOST_FOUND:
                return None
            limit = min(_GROWTH * limit, MOST_FOUND)
        return [found[number] for number in range(len(queries))]

    def _placed(self, table: ViewTable, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where views stand in the table, by their row numbers; -1 for one that is not there."""
        if self._places is None or self._places[0] is not table:
            places = np.full(int(table.id.max(initial=0)) + 2, -1, np.int64)
            places[table.id] = np.arange(len(table.id))
            self._places = table, places
        places = self._places[1]
        return places[np.where((ids > 0) & (ids < len(places)), ids, -1)]  # the last entry is -1

    def _warn(self, what: str) -> None:
        if what != self._said:
            self._said = what
            warnings.warn(
                f"The collection {self._collection.name} at {self._collection.uri} {what}, so the index answers from "
                "its own rows; `radseek milvus push` brings the collection up to date.",
                stacklevel=2,
            )


def none_is_missed(scores: NDArray[np.float32], kept: NDArray[np.bool_], k: int, slack: float) -> bool:
    """Say whether no row that was not returned can be among the k best.

    Args:
        scores: `(n,)` of what was returned, best first, each within half of `slack` of the exact one.
        kept: `(n,)` which of it is in scope.
        k: how many are wanted.
        slack: twice the greatest error of a score.
    """
    inside = np.flatnonzero(kept)
    return len(inside) >= k and bool(scores[-1] < scores[inside[k - 1]] - slack)


def _is_first(places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows did not come before: files that were imported twice are there twice."""
    first = np.zeros(len(places), bool)
    first[np.unique(places, return_index=True)[1]] = True
    return first


def _first_limit(k: int, inside: int, passing: int) -> int:
    """Return how many rows to ask for at first, where `inside` of `passing` the filter are in scope."""
    wanted = k + _EXTRA
    spread = int(_SPARE * wanted * passing / max(inside, 1))
    return min(wanted + max(passing - inside, 0), max(wanted, spread), MOST_FOUND)
