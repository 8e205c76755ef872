"""What a pinned generation's views and sentences are, as columns: where each one's vectors lie, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.index.catalog import Catalog
from retrieval.index.columns import StudyColumns, read_columns

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


def load_views(catalog: Catalog, studies: StudyColumns) -> ViewTable:
    """Read the view table of a generation."""
    columns = ["id", "study", "segment", "row", "start", "count"]
    numbers, (name,) = read_columns(catalog, columns, ["name"], "views")
    names = tuple(sorted({str(one) for one in name}))
    code = {one: i for i, one in enumerate(names)}
    owner = studies.places(numbers[1])
    order = np.lexsort((numbers[0], owner))
    order = order[owner[order] >= 0]
    ids, study, *rest = (column[order] for column in numbers)
    codes = np.fromiter((code[str(one)] for one in name), np.int64, len(name))
    return ViewTable(names, ids, study, owner[order], codes[order], *rest)


def load_sentences(catalog: Catalog, studies: StudyColumns) -> SentenceTable:
    """Read the sentence table of a generation."""
    columns = ["id", "study", "ordinal", "segment", "row"]
    (ids, study, ordinal, segment, row), _ = read_columns(catalog, columns, [], "sentences")
    owner = studies.places(study)
    order = np.lexsort((ordinal, owner))
    order = order[owner[order] >= 0]
    return SentenceTable(ids[order], study[order], owner[order], segment[order], row[order])
