"""Finds report sentences by meaning and by keyword, with the rank that each way gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from retrieval.index.catalog import Catalog
from retrieval.index.keywords import query_words
from retrieval.index.scan import sentence_cosines
from retrieval.index.segments import Segment
from retrieval.index.store import SentenceHit
from retrieval.index.tables import SentenceTable

__all__ = ["find_sentences"]


def find_sentences(
    catalog: Catalog,
    table: SentenceTable,
    segments: dict[int, Segment],
    query: NDArray[np.floating],
    text: str,
    k: int,
    allowed: NDArray[np.bool_],
    check: Callable[[Iterable[int]], None],
) -> list[SentenceHit]:
    """Return the k nearest allowed sentences by cosine and the k best by keyword (BM25), each once.

    Ties are broken by study key and place in the report. A sentence that only one way found has no rank in
    the other. In table order, so the caller decides how to rank them. `check` is given the studies answered from.
    """
    scores = sentence_cosines(table, segments, query, allowed)
    count = min(k, int(allowed.sum()))
    dense = {int(place): rank for rank, place in enumerate(np.argsort(-scores, kind="stable")[:count], 1)}
    keyword = _by_keyword(catalog, table, text, k, allowed)
    places = sorted({*dense, *keyword})
    check(int(table.study[place]) for place in places)
    rows = _texts(catalog, [int(table.id[place]) for place in places])
    return [
        SentenceHit(*rows[int(table.id[place])], float(scores[place]), dense.get(place), keyword.get(place))
        for place in places
    ]


def _by_keyword(
    catalog: Catalog, table: SentenceTable, text: str, k: int, allowed: NDArray[np.bool_]
) -> dict[int, int]:
    """Return the ranks (from 1) of the k best keyword matches by place in the table."""
    words = query_words(text)
    if not words or not allowed.any():
        return {}
    place_of = {int(table.id[place]): int(place) for place in np.flatnonzero(allowed)}
    found: list[tuple[float, int]] = []
    matches = catalog.query("SELECT rowid, bm25(words) FROM words WHERE words MATCH ? ORDER BY rank", (words,))
    for row, score in matches:
        if row in place_of:
            if len(found) >= k and score > found[-1][0]:
                break  # later ones are worse; equal ones still compete by place
            found.append((score, place_of[row]))
    return {place: rank for rank, (_, place) in enumerate(sorted(found)[:k], 1)}


def _texts(catalog: Catalog, ids: list[int]) -> dict[int, tuple[str, int, str]]:
    rows = catalog.query(
        "SELECT t.id, s.key, t.ordinal, t.text FROM sentences t JOIN studies s ON s.id = t.study "
        "WHERE t.id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
