"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError
from retrieval.index.catalog import Catalog
from retrieval.index.columns import StudyColumns, read_columns
from retrieval.index.segments import Segment

__all__ = ["SentenceTable", "ViewTable", "load_sentences", "load_views"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ViewTable:
    """All visible views in study-key order: row ids, owners, name codes, and places in the segments."""

    names: tuple[str, ...]
    id: Column
    study: Column  # row id
    owner: Column  # the study's place in key order
    name: Column  # index into `names`
    segment: Column
    row: Column
    start: Column
    count: Column


@dataclass(frozen=True, slots=True, eq=False)
class SentenceTable:
    """All visible sentences in order of study key and place in the report."""

    id: Column
    study: Column  # row id
    owner: Column  # the study's place in key order
    segment: Column
    row: Column


def load_views(catalog: Catalog, studies: StudyColumns, segments: Mapping[int, Segment]) -> ViewTable:
    """Read the view table of a generation. Raises `IndexDamagedError` where a view lies outside its segment."""
    columns = ["id", "study", "segment", "row", "start", "count"]
    numbers, (name,) = read_columns(catalog, columns, ["name"], "views")
    names = tuple(sorted({str(one) for one in name}))
    code = {one: i for i, one in enumerate(names)}
    codes = np.fromiter((code[str(one)] for one in name), np.int64, len(name))
    order, owner = _in_key_order(studies, numbers[1], numbers[0])
    ids, study, segment, row, start, count = (column[order] for column in numbers)
    rows_of, slices_of = (_rows(catalog, segments, segment, array) for array in ("views", "slices"))
    _require(catalog, (row >= 0) & (row < rows_of) & (start >= 0) & (count > 0) & (start + count <= slices_of))
    return ViewTable(names, ids, study, owner, codes[order], segment, row, start, count)


def load_sentences(catalog: Catalog, studies: StudyColumns, segments: Mapping[int, Segment]) -> SentenceTable:
    """Read the sentence table of a generation. Raises `IndexDamagedError` where one lies outside its segment."""
    columns = ["id", "study", "ordinal", "segment", "row"]
    numbers, _ = read_columns(catalog, columns, [], "sentences")
    order, owner = _in_key_order(studies, numbers[1], numbers[2])
    ids, study, _, segment, row = (column[order] for column in numbers)
    _require(catalog, (row >= 0) & (row < _rows(catalog, segments, segment, "sentences")))
    return SentenceTable(ids, study, owner, segment, row)


def _in_key_order(studies: StudyColumns, study: Column, then: Column) -> tuple[Column, Column]:
    """Return the order of rows by study key and another column, less those of other generations; and their studies."""
    owner = studies.places(study)
    order = np.lexsort((then, owner))
    order = order[owner[order] >= 0]
    return order, owner[order]


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
