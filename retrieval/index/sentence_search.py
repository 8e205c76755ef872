"""Finds report sentences by meaning and by keyword, with the rank that each way gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.row_tables import SentenceTable
from radseek.retrieval.index.segments.segment_folders import Segment
from radseek.retrieval.index.store import SentenceHit
from radseek.retrieval.index.vectors.sentence_vectors import SentenceIndex

__all__ = ["Nearest", "find_sentences", "sentence_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """What meaning is compared by: the sentences' vectors, and the query's `(D,)`."""

    vectors: SentenceIndex
    query: NDArray[np.floating]


def find_sentences(
    catalog: Catalog,
    table: SentenceTable,
    by_meaning: Nearest | None,
    scored: tuple[NDArray[np.int64], NDArray[np.float64]],
    k: int,
    allowed: NDArray[np.bool_],
    check: Callable[[Iterable[int]], None],
) -> list[SentenceHit]:
    """Return the k nearest allowed sentences by cosine and the k best by keyword (BM25), each once.

    Without `by_meaning`, by keyword alone.

    Ties are broken by study key and place in the report. A sentence that only one way found has no rank in
    the other. In table order, so the caller decides how to rank them. `scored`: the row ids and the scores of the
    sentences that have any of the words. `check` is given the studies answered from.
    """
    dense = {} if by_meaning is None else _ranked(by_meaning.vectors.search(by_meaning.query, k, allowed)[0])
    best, worth = _by_keyword(table, *scored, k, allowed)
    keyword = {place: (rank, of) for rank, (place, of) in enumerate(zip(best.tolist(), worth.tolist(), strict=True), 1)}
    places = np.array(sorted({*dense, *keyword}), np.int64)
    check(table.study[places].tolist())
    rows = _texts(catalog, table.id[places].tolist())
    scores: list[float | None] = [None] * len(places)
    if by_meaning is not None:
        scores = by_meaning.vectors.cosines(places, by_meaning.query).tolist()
    return [
        SentenceHit(*rows[row], score, dense.get(place), *keyword.get(place, (None, None)))
        for place, row, score in zip(places.tolist(), table.id[places].tolist(), scores, strict=True)
    ]


def sentence_rows(table: SentenceTable, segments: Mapping[int, Segment]) -> NDArray[np.float16]:
    """Return the vectors `(N, D)` of all sentences, in table order."""
    dim = next((one.array("sentences").shape[1] for one in segments.values()), 1)
    rows = np.empty((len(table.id), dim), np.float16)
    for number in np.unique(table.segment):
        here = table.segment == number
        rows[here] = segments[int(number)].array("sentences")[table.row[here]]
        segments[int(number)].let_go()
    return rows


def _ranked(places: NDArray[np.int64]) -> dict[int, int]:
    return {place: rank for rank, place in enumerate(places.tolist(), 1)}


def _by_keyword(
    table: SentenceTable, rows: NDArray[np.int64], scores: NDArray[np.float64], k: int, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the places in the table of the k best keyword matches and their scores, best first."""
    known = rows < len(table.place)
    places, scores = table.place[rows[known]], scores[known]
    good = (places >= 0) & allowed[places]
    places, scores = places[good], scores[good]
    if k < len(places):
        close = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
        places, scores = places[close], scores[close]
    order = np.lexsort((places, -scores))[:k]
    return places[order], scores[order]


def _texts(catalog: Catalog, ids: list[int]) -> dict[int, tuple[str, int, str]]:
    rows = catalog.query(
        "SELECT t.id, s.key, t.ordinal, t.text FROM sentences t JOIN studies s ON s.id = t.study "
        "WHERE t.id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
