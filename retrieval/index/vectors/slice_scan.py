"""Exact scans of stored slice vectors, segment by segment in blocks, so that memory does not grow with the archive."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.segments.segment_folders import Segment
from radseek.retrieval.index.vectors.exact_search import cosines, float32_error

__all__ = ["BestSlice", "best_slices", "top_means"]

_BLOCK = 1024  # rows widened at a time: they stay in the processor's cache
_HELD = 32 << 20  # bytes of mapped files kept in memory while they are scanned

BestSlice = tuple[int, int, int, float]  # study's row id, place in the ViewTable, slice of the view, cosine


def best_slices(
    views: ViewTable, segments: Mapping[int, Segment], query: NDArray[np.floating], allowed: NDArray[np.bool_], k: int
) -> list[BestSlice]:
    """Return the best slice of each of the k best studies, and of any that tie with the last; no order.

    `allowed`: one flag a view. A study's first best slice, in view order, is the one named.
    """
    places = np.flatnonzero(allowed)
    if not len(places):
        return []
    slack = 2 * float32_error(query)
    every = np.full(len(views.id), -np.inf, np.float32)
    for group, products, edges in _products(views, segments, np.asarray(query, np.float32)[:, None], places):
        every[group] = np.maximum.reduceat(products[:, 0], edges)
    best = every[places]
    studies, owner = np.unique(views.study[places], return_inverse=True)
    of_study = np.full(len(studies), -np.inf, np.float32)
    np.maximum.at(of_study, owner, best)
    if k < len(studies):
        kth = np.partition(of_study, len(studies) - k)[len(studies) - k]
        studies_kept = of_study >= kth - slack
    else:
        studies_kept = np.ones(len(studies), bool)
    close = studies_kept[owner] & (best >= of_study[owner] - slack)
    return _exactly(views, segments, query, places[close])


def top_means(
    views: ViewTable,
    segments: Mapping[int, Segment],
    directions: NDArray[np.float64],
    places: NDArray[np.int64],
    share: float,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield places of views and their means `(n, M)` of the top `ceil(share * N)` products with `(D, M)` directions.

    Products run in float64 and are rounded to float32 before they are compared.
    """
    for group, products, edges in _products(views, segments, directions, places):
        counts, products = views.count[group], products.astype(np.float32)
        means = np.empty((len(group), directions.shape[1]), np.float32)
        for count in np.unique(counts):
            here, top = np.flatnonzero(counts == count), math.ceil(share * int(count))
            rows = products[edges[here][:, None] + np.arange(count)]
            if top == 1:
                means[here] = rows.max(axis=1)
            else:
                means[here] = np.sort(rows, axis=1)[:, count - top :].mean(axis=1, dtype=np.float64)
        yield group, means


def _products(
    views: ViewTable, segments: Mapping[int, Segment], directions: NDArray[np.floating], places: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating], NDArray[np.int64]]]:
    """Yield places, the products `(rows, M)` of their slices, and where each view's rows begin; views stay whole.

    Products are of the directions' type.
    """
    for number, group in _by_segment(views.segment, places):
        group = group[np.argsort(views.start[group], kind="stable")]
        segment, ends = segments[number], np.cumsum(views.count[group])
        first, held = 0, 0
        while first < len(group):
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK, "right")))
            block = group[first:last]
            counts = views.count[block]
            edges = np.cumsum(counts) - counts
            inside = np.repeat(views.start[block] - edges, counts) + np.arange(int(counts.sum()))
            low, high = int(inside[0]), int(inside[-1]) + 1
            part = segment.rows("slices", low, high)
            if high - low > len(inside):  # other views lie between
                part = part[inside - low]
            yield block, part.astype(directions.dtype) @ directions, edges
            held += part.nbytes
            if held > _HELD:
                segment.let_go()
                held = 0
            first = last
        segment.let_go()


def _exactly(
    views: ViewTable, segments: Mapping[int, Segment], query: NDArray[np.floating], places: NDArray[np.int64]
) -> list[BestSlice]:
    winners: dict[int, BestSlice] = {}
    for place in places:
        start, study = int(views.start[place]), int(views.study[place])
        rows = segments[int(views.segment[place])].rows("slices", start, start + int(views.count[place]))
        scores = cosines(rows, query)
        at = int(scores.argmax())
        if study not in winners or scores[at] > winners[study][3]:
            winners[study] = (study, int(place), at, float(scores[at]))
    return list(winners.values())


def _by_segment(segments: NDArray[np.int64], places: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each segment's places; one sort, for there may be thousands."""
    if not len(places):
        return
    order = places[np.argsort(segments[places], kind="stable")]
    numbers, starts = np.unique(segments[order], return_index=True)
    for number, group in zip(numbers, np.split(order, starts[1:]), strict=True):
        yield int(number), group
