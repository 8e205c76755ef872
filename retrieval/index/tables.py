"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError
from retrieval.index.catalog import Catalog
from retrieval.index.places import Places
from retrieval.index.schema import VISIBLE

__all__ = ["SentenceTable", "ViewTable", "load_sentences", "load_views"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ViewTable:
    """All visible views in study-key order: row ids, owners, name codes, and places in the folders' arrays."""

    names: tuple[str, ...]
    id: Column
    study: Column
    name: Column  # index into `names`
    segment: Column  # number of the folder that holds it
    row: Column
    start: Column
    count: Column


@dataclass(frozen=True, slots=True, eq=False)
class SentenceTable:
    """All visible sentences in order of study key and place in the report."""

    id: Column
    study: Column
    segment: Column  # number of the folder that holds it
    row: Column


def load_views(catalog: Catalog, generation: int, places: Places) -> ViewTable:
    """Read the view table of a generation. Raises `IndexDamagedError` where a view lies outside its segment."""
    rows = catalog.query(
        "SELECT v.id, v.study, v.name, v.segment, v.row, v.start, v.count FROM views v "
        f"JOIN studies s ON s.id = v.study WHERE {VISIBLE} ORDER BY s.key, v.id",
        {"generation": generation},
    )
    names = tuple(sorted({str(row[2]) for row in rows}))
    code = {name: i for i, name in enumerate(names)}
    columns = _columns(catalog, [(*row[:2], code[str(row[2])], *row[3:]) for row in rows], 7)
    ids, study, name, segment, row, start, count = columns
    at = places.find(segment)
    good = (row >= 0) & (row < places.count["views"][at]) & (start >= 0) & (count > 0)
    _require(catalog, good & (start + count <= places.count["slices"][at]))
    first, begin = places.first["views"][at], places.first["slices"][at]
    return ViewTable(names, ids, study, name, places.folder[at], first + row, begin + start, count)


def load_sentences(catalog: Catalog, generation: int, places: Places) -> SentenceTable:
    """Read the sentence table of a generation. Raises `IndexDamagedError` where one lies outside its segment."""
    rows = catalog.query(
        "SELECT t.id, t.study, t.segment, t.row FROM sentences t "
        f"JOIN studies s ON s.id = t.study WHERE {VISIBLE} ORDER BY s.key, t.ordinal",
        {"generation": generation},
    )
    ids, study, segment, row = _columns(catalog, rows, 4)
    at = places.find(segment)
    _require(catalog, (row >= 0) & (row < places.count["sentences"][at]))
    return SentenceTable(ids, study, places.folder[at], places.first["sentences"][at] + row)


def _columns(catalog: Catalog, rows: Sequence[Sequence[object]], width: int) -> list[Column]:
    try:
        numbers = np.array(rows, np.int64).reshape(-1, width)
    except (TypeError, ValueError, OverflowError):
        raise _damaged(catalog) from None
    return [np.ascontiguousarray(column) for column in numbers.T]


def _require(catalog: Catalog, good: NDArray[np.bool_]) -> None:
    if not good.all():
        raise _damaged(catalog)


def _damaged(catalog: Catalog) -> IndexDamagedError:
    return IndexDamagedError(
        f"{catalog.path.name} names vectors that its segments do not have; `radseek verify INDEX` says of which "
        "studies; restore it from a copy."
    )
