"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """Read the view table of a generation. Raises `IndexDamagedError` for a view of no segment."""
    rows = catalog.query(
        "SELECT v.id, v.study, v.name, v.segment, v.row, v.start, v.count FROM views v "
        f"JOIN studies s ON s.id = v.study WHERE {VISIBLE} ORDER BY s.key, v.id",
        {"generation": generation},
    )
    names = tuple(sorted({row[2] for row in rows}))
    code = {name: i for i, name in enumerate(names)}
    numbers = np.array([(*row[:2], code[row[2]], *row[3:]) for row in rows], np.int64).reshape(-1, 7)
    ids, study, name, segment, row, start, count = (np.ascontiguousarray(column) for column in numbers.T)
    at = places.find(segment)
    return ViewTable(
        names,
        ids,
        study,
        name,
        places.folder[at],
        row + places.first["views"][at],
        start + places.first["slices"][at],
        count,
    )


def load_sentences(catalog: Catalog, generation: int, places: Places) -> SentenceTable:
    """Read the sentence table of a generation. Raises `IndexDamagedError` for a sentence of no segment."""
    rows = catalog.query(
        "SELECT t.id, t.study, t.segment, t.row FROM sentences t "
        f"JOIN studies s ON s.id = t.study WHERE {VISIBLE} ORDER BY s.key, t.ordinal",
        {"generation": generation},
    )
    numbers = np.array(rows, np.int64).reshape(-1, 4)
    ids, study, segment, row = (np.ascontiguousarray(column) for column in numbers.T)
    at = places.find(segment)
    return SentenceTable(ids, study, places.folder[at], row + places.first["sentences"][at])
