"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.columns import StudyColumns, read_columns
from radseek.retrieval.index.segments.places import Places

__all__ = ["SentenceTable", "ViewTable", "load_sentences", "load_views"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ViewTable:
    """All visible views in study-key order: row ids, owners, name codes, and places in the folders' arrays."""

    names: tuple[str, ...]
    id: Column
    study: Column  # row id
    owner: Column  # the study's place in key order
    name: Column  # index into `names`
    segment: Column  # number of the folder that holds it
    row: Column
    start: Column
    count: Column


@dataclass(frozen=True, slots=True, eq=False)
class SentenceTable:
    """All visible sentences in order of study key and place in the report.

    `place`: where a sentence stands, by row id; -1 for one that is not visible. Without a text tower nothing lies in
    `segment` and `row`.
    """

    id: Column
    place: Column
    study: Column  # row id
    owner: Column  # the study's place in key order
    segment: Column  # number of the folder that holds it
    row: Column


def load_views(catalog: Catalog, studies: StudyColumns, places: Places) -> ViewTable:
    """Read the view table of a generation. Raises `IndexDamagedError` where a view lies outside its segment."""
    columns = ["id", "study", "segment", "row", "start", "count"]
    numbers, (name,) = read_columns(catalog, columns, ["name"], "views")
    names = tuple(sorted(set(map(str, name))))
    code = {one: i for i, one in enumerate(names)}
    codes = np.fromiter(map(code.__getitem__, map(str, name)), np.int64, len(name))
    order, owner = _in_key_order(studies, numbers[1], numbers[0])
    ids, study, segment, row, start, count = (column[order] for column in numbers)
    at = places.find(segment)
    good = (row >= 0) & (row < places.count["views"][at]) & (start >= 0) & (count > 0)
    _require(catalog, good & (start + count <= places.count["slices"][at]))
    first, begin = places.first["views"][at], places.first["slices"][at]
    return ViewTable(names, ids, study, owner, codes[order], places.folder[at], first + row, begin + start, count)


def load_sentences(catalog: Catalog, studies: StudyColumns, places: Places) -> SentenceTable:
    """Read the sentence table of a generation. Raises `IndexDamagedError` where one lies outside its segment."""
    columns = ["id", "study", "ordinal", "segment", "row"]
    numbers, _ = read_columns(catalog, columns, [], "sentences")
    order, owner = _in_key_order(studies, numbers[1], numbers[2])
    ids, study, _, segment, row = (column[order] for column in numbers)
    at = places.find(segment)
    _require(catalog, (row >= 0) & ((row < places.count["sentences"][at]) | (not catalog.has_text())))
    place = np.full(int(ids.max(initial=0)) + 1, -1, np.int64)
    place[ids] = np.arange(len(ids))
    return SentenceTable(ids, place, study, owner, places.folder[at], places.first["sentences"][at] + row)


def _in_key_order(studies: StudyColumns, study: Column, then: Column) -> tuple[Column, Column]:
    """Return the order of rows by study key and another column, less those of other generations; and their studies."""
    owner = studies.places(study)
    order = np.lexsort((then, owner))
    order = order[owner[order] >= 0]
    return order, owner[order]


def _require(catalog: Catalog, good: NDArray[np.bool_]) -> None:
    if not good.all():
        raise _damaged(catalog)


def _damaged(catalog: Catalog) -> IndexDamagedError:
    return IndexDamagedError(
        f"{catalog.path.name} names vectors that its segments do not have; `radseek verify INDEX` says of which "
        "studies; restore it from a copy."
    )
