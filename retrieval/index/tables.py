"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError
from retrieval.index.catalog import Catalog
from retrieval.index.schema import VISIBLE
from retrieval.index.segments import Segment

__all__ = ["SentenceTable", "ViewTable", "load_sentences", "load_views"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ViewTable:
    """All visible views in study-key order: row ids, owners, name codes, and places in the segments."""

    names: tuple[str, ...]
    id: Column
    study: Column
    name: Column  # index into `names`
    segment: Column
    row: Column
    start: Column
    count: Column


@dataclass(frozen=True, slots=True, eq=False)
class SentenceTable:
    """All visible sentences in order of study key and place in the report."""

    id: Column
    study: Column
    segment: Column
    row: Column


def load_views(catalog: Catalog, generation: int, segments: Mapping[int, Segment]) -> ViewTable:
    """Read the view table of a generation. Raises `IndexDamagedError` where a view lies outside its segment."""
    rows = catalog.query(
        "SELECT v.id, v.study, v.name, v.segment, v.row, v.start, v.count FROM views v "
        f"JOIN studies s ON s.id = v.study WHERE {VISIBLE} ORDER BY s.key, v.id",
        {"generation": generation},
    )
    names = tuple(sorted({str(row[2]) for row in rows}))
    code = {name: i for i, name in enumerate(names)}
    table = ViewTable(names, *_columns(catalog, [(*row[:2], code[str(row[2])], *row[3:]) for row in rows], 7))
    rows_of, slices_of = (_rows(catalog, segments, table.segment, name) for name in ("views", "slices"))
    good = (table.row >= 0) & (table.row < rows_of) & (table.start >= 0) & (table.count > 0)
    _require(catalog, good & (table.start + table.count <= slices_of))
    return table


def load_sentences(catalog: Catalog, generation: int, segments: Mapping[int, Segment]) -> SentenceTable:
    """Read the sentence table of a generation. Raises `IndexDamagedError` where one lies outside its segment."""
    rows = catalog.query(
        "SELECT t.id, t.study, t.segment, t.row FROM sentences t "
        f"JOIN studies s ON s.id = t.study WHERE {VISIBLE} ORDER BY s.key, t.ordinal",
        {"generation": generation},
    )
    table = SentenceTable(*_columns(catalog, rows, 4))
    _require(catalog, (table.row >= 0) & (table.row < _rows(catalog, segments, table.segment, "sentences")))
    return table


def _columns(catalog: Catalog, rows: Sequence[Sequence[object]], width: int) -> list[Column]:
    try:
        numbers = np.array(rows, np.int64).reshape(-1, width)
    except (TypeError, ValueError, OverflowError):
        raise _damaged(catalog) from None
    return [np.ascontiguousarray(column) for column in numbers.T]


def _rows(catalog: Catalog, segments: Mapping[int, Segment], numbers: Column, name: str) -> Column:
    """Return how many rows of an array the segment of each entry has."""
    known, place = np.unique(numbers, return_inverse=True)
    _require(catalog, np.array([int(number) in segments for number in known], bool))
    return np.array([segments[int(number)].info.rows[name] for number in known], np.int64)[place]


def _require(catalog: Catalog, good: NDArray[np.bool_]) -> None:
    if not good.all():
        raise _damaged(catalog)


def _damaged(catalog: Catalog) -> IndexDamagedError:
    return IndexDamagedError(
        f"{catalog.path.name} names vectors that its segments do not have; `radseek verify INDEX` says of which "
        "studies; restore it from a copy."
    )
