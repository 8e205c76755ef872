"""Exact scans of stored vectors, segment by segment in blocks, so that memory does not grow with the archive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrieval.index.exact import cosines
from retrieval.index.segments import Segment
from retrieval.index.tables import SentenceTable, ViewTable

__all__ = ["BestSlice", "best_slices", "sentence_cosines"]

_BLOCK = 65536  # rows turned to float32 at a time
_SLACK = 1e-5  # how far a float32 product may lie from the exact one

BestSlice = tuple[int, int, int, float]  # study's row id, place in the ViewTable, slice of the view, cosine


def best_slices(
    views: ViewTable, segments: dict[int, Segment], query: NDArray[np.floating], allowed: NDArray[np.bool_], k: int
) -> list[BestSlice]:
    """Return the best slice of each of the k best studies, and of any that tie with the last; no order.

    `allowed`: one flag a view. A study's first best slice, in view order, is the one named.
    """
    places = np.flatnonzero(allowed)
    if not len(places):
        return []
    best = _best_of_views(views, segments, query, places)
    studies, owner = np.unique(views.study[places], return_inverse=True)
    of_study = np.full(len(studies), -np.inf, np.float32)
    np.maximum.at(of_study, owner, best)
    if k < len(studies):
        kth = np.partition(of_study, len(studies) - k)[len(studies) - k]
        studies_kept = of_study >= kth - _SLACK
    else:
        studies_kept = np.ones(len(studies), bool)
    close = studies_kept[owner] & (best >= of_study[owner] - _SLACK)
    return _exactly(views, segments, query, places[close])


def sentence_cosines(
    table: SentenceTable, segments: dict[int, Segment], query: NDArray[np.floating], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return each sentence's cosine with `(D,)`; minus infinity where not allowed."""
    found = np.full(len(table.id), -np.inf)
    for number, places in _by_segment(table.segment, np.flatnonzero(allowed)):
        rows = segments[number].array("sentences")
        for start in range(0, len(places), _BLOCK):
            part = places[start : start + _BLOCK]
            found[part] = cosines(rows[table.row[part]], query)
    return found


def _best_of_views(
    views: ViewTable, segments: dict[int, Segment], query: NDArray[np.floating], places: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the best slice's product of each view in `places`, in float32."""
    best = np.full(len(views.id), -np.inf, np.float32)
    for number, group in _by_segment(views.segment, places):
        products = _products(segments[number].array("slices"), query, views.start[group], views.count[group])
        best[group] = products
    return best[places]


def _products(
    rows: NDArray[np.float16], query: NDArray[np.floating], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Scan only the blocks that hold an asked view; `starts` ascending. Returns one maximum a view."""
    every = np.full(len(rows), -np.inf, np.float32)
    wanted = np.asarray(query, np.float32)
    low, high = int(starts.min()), int((starts + counts).max())
    for block in range(low - low % _BLOCK, high, _BLOCK):
        end = min(block + _BLOCK, len(rows))
        if np.any((starts < end) & (starts + counts > block)):
            every[block:end] = rows[block:end].astype(np.float32) @ wanted
    # Between one view's start and the next view's may lie views that were not asked for.
    edges = np.stack([starts, starts + counts], axis=1).ravel()
    padded = np.append(every, np.float32(-np.inf))  # so that the last edge is an index
    return np.asarray(np.maximum.reduceat(padded, edges)[::2])


def _exactly(
    views: ViewTable, segments: dict[int, Segment], query: NDArray[np.floating], places: NDArray[np.int64]
) -> list[BestSlice]:
    winners: dict[int, BestSlice] = {}
    for place in places:
        start, study = int(views.start[place]), int(views.study[place])
        rows = segments[int(views.segment[place])].array("slices")[start : start + int(views.count[place])]
        scores = cosines(rows, query)
        at = int(scores.argmax())
        if study not in winners or scores[at] > winners[study][3]:
            winners[study] = (study, int(place), at, float(scores[at]))
    return list(winners.values())


def _by_segment(segments: NDArray[np.int64], places: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for number in np.unique(segments[places]):
        yield int(number), places[segments[places] == number]
