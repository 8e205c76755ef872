"""Search among the view vectors of one name in one generation: exact, or by candidates that are compared exactly.

Candidates come from codes where there are any (`kept_codes`), for a question that leaves out few rows; what was
committed after the codes were made is compared in full. Any filter, and whatever the codes cannot serve, is exact.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.kept_codes import KeptCodes, load_codes, read_codes, row_sums
from radseek.retrieval.index.segments.gathered_rows import gathered_rows
from radseek.retrieval.index.segments.segment_folders import Segment
from radseek.retrieval.index.vectors.approximate_search import FIRST
from radseek.retrieval.index.vectors.exact_search import FlatIndex, nearest_rows
from radseek.retrieval.index.vectors.near_views import AskedViews, FoundViews

__all__ = ["PlacedCodes", "ViewRows", "ViewSearch", "place_codes", "view_search"]

_log: Final = logging.getLogger(__name__)

_MOST_HIDDEN: Final = 1000  # rows left out of an answer that are asked for as well and dropped
_FEWEST_TIMES: Final = 8  # rows for each candidate; with fewer the scan of all rows costs no more


@dataclass(frozen=True, slots=True, eq=False)
class ViewRows:
    """The views of one name, in the order of their studies' keys: `place (N,)` in the table of all views, `id (N,)`
    their row ids, `owner (N,)` their studies' places.
    """

    table: ViewTable
    segments: Mapping[int, Segment]
    place: NDArray[np.int64]
    id: NDArray[np.int64]
    owner: NDArray[np.int64]

    @classmethod
    def named(cls, table: ViewTable, segments: Mapping[int, Segment], view: str) -> ViewRows:
        """Return the views of that name."""
        place = np.flatnonzero(table.name == (table.names.index(view) if view in table.names else -1))
        return cls(table, segments, place, table.id[place], table.owner[place])

    def rows(self, of: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the pooled vectors of some of them, by place among these."""
        place = self.place[of]
        return gathered_rows(self.segments, "views", self.table.segment[place], self.table.row[place])


@dataclass(frozen=True, slots=True, eq=False)
class PlacedCodes:
    """Codes and the place of each one's row among the views of a generation, -1 where it is not among them."""

    kept: KeptCodes
    place: NDArray[np.int64]


class ViewSearch:
    """Answers about the views of one name, best first; ties in their order."""

    def __init__(self, views: ViewRows, codes: PlacedCodes | None) -> None:
        self.views = views
        self._codes = codes
        self._lock = threading.Lock()
        self._flat: FlatIndex | None = None
        self._gone = 0
        self._later = np.zeros(0, np.int64)  # committed after the codes were made
        self._later_flat: FlatIndex | None = None
        if codes is not None:
            self._gone = int((codes.place < 0).sum())
            is_later = np.ones(len(views.id), bool)
            is_later[codes.place[codes.place >= 0]] = False
            self._later = np.flatnonzero(is_later)
            self._later_flat = FlatIndex(views.rows(self._later)) if len(self._later) else None

    def search_views(self, asked: AskedViews, queries: NDArray[np.floating], k: int) -> list[FoundViews]:
        """Return for each of `(Q, D)` queries its k best views in scope, best first; with a filter each is compared."""
        scope, allowed = asked.scope, asked.allowed
        filtered = (scope.where.clauses or scope.only_studies is not None) and not allowed.all()
        ask = self.search_all if filtered else self.search
        found = [ask(query, k, allowed) for query in queries]
        return [(self.views.place[rows], scores) for rows, scores in found]

    def search(
        self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return places and cosines of the k allowed views nearest to `(D,)`; one may be missed, for a later one."""
        found = None if self._codes is None else self._candidates(self._codes, query, k, allowed)
        if found is None:
            return self.search_all(query, k, allowed)
        places, near, last = found
        best, scores = nearest_rows(self.views.rows(places), query, k, places)
        if (near[best] <= last).any():  # of equal rows some may not have been proposed, and the first by key is meant
            return self.search_all(query, k, allowed)
        return places[best], scores

    def search_all(
        self, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return places and cosines of the k allowed views nearest to `(D,)`, each compared."""
        return self._all().search(query, k, allowed, np.arange(len(allowed)))

    def _candidates(
        self, codes: PlacedCodes, query: NDArray[np.floating], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float] | None:
        """Return the places to compare, how near each is by its codes and the last one proposed; None for all."""
        there = int(np.count_nonzero(allowed))
        count, hidden = max(k, FIRST) * codes.kept.about.factor, len(allowed) - there + self._gone
        if hidden > _MOST_HIDDEN or (count + hidden) * _FEWEST_TIMES > there:
            return None
        rows, near = codes.kept.codes.candidates(query, count + hidden)
        last = float(near[-1]) if len(rows) < len(codes.place) else -np.inf
        places = codes.place[rows]
        good = (places >= 0) & allowed[places]
        places, near = places[good][:count], near[good][:count]
        if self._later_flat is not None:
            later = self._later[self._later_flat.candidates(query, k, allowed[self._later])]
            places = np.concatenate([places, later])
            near = np.concatenate([near, np.full(len(later), np.inf, np.float32)])
        return (places, near, last) if len(places) >= min(k, there) else None

    def _all(self) -> FlatIndex:
        with self._lock:
            if self._flat is None:
                self._flat = FlatIndex(self.views.rows(np.arange(len(self.views.id))))
            return self._flat


def view_search(index: Path, view: str, views: ViewRows, compacted: int) -> ViewSearch:
    """Return the search among the views of a name, with the codes that the index folder keeps of them."""
    return ViewSearch(views, _placed_codes(index, view, views, compacted))


def _placed_codes(index: Path, view: str, views: ViewRows, compacted: int) -> PlacedCodes | None:
    """Return the codes of a view name for these views, or None where there are none that can be trusted."""
    try:
        about = read_codes(index).get(view)
        if about is None or not about.in_use or about.compacted != compacted:
            return None
        return place_codes(load_codes(index, about), views)
    except ValueError as error:
        _log.warning("%s; answers are exact without it, and `radseek compact` makes it again", error)
        return None


def place_codes(kept: KeptCodes, views: ViewRows) -> PlacedCodes:
    """Return codes with the places of their rows. Raises `ValueError` where rows are not those that were encoded."""
    order = np.argsort(views.id)
    at = np.minimum(np.searchsorted(views.id[order], kept.ids), max(len(order) - 1, 0))
    place = np.where(views.id[order][at] == kept.ids, order[at], -1) if len(order) else np.full(len(kept.ids), -1)
    chosen = row_sums(len(kept.ids))
    there = place[chosen] >= 0
    rows = views.rows(place[chosen][there])
    sums = [zlib.crc32(row.tobytes()) for row in rows]
    if sums != np.array(kept.about.sums)[there].tolist():
        raise ValueError(f"The codes of view {kept.about.view} are of other vectors than the index's")
    return PlacedCodes(kept, place.astype(np.int64))
