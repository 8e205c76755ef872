"""What Milvus is sent of a view: its row number in the catalogue, its vector, and what filters ask. No key, no text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.index.catalog.columns import StudyColumns
from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.catalog.where import NUMBERS, SERIES_FIELDS, WORDS
from radseek.retrieval.index.milvus.index_state import state_hash
from radseek.retrieval.index.segments.gathered_rows import gathered_rows
from radseek.retrieval.index.segments.segment_folders import Segment

__all__ = ["TEXT_FIELDS", "CollectionRows", "PinnedViews"]

TEXT_FIELDS = (*WORDS, "report")  # of a study, one value each; those of series are arrays
_CHUNK = 4096  # views; 8 MB of float32 at 512 wide, of the 64 MB that a request may have


@dataclass(frozen=True, slots=True, eq=False)
class CollectionRows:
    """Some views: `ids (n,)`, and `marks (n,)` that change with anything that is sent of them."""

    ids: NDArray[np.int64]
    marks: NDArray[np.int64]
    _views: list[str]
    _fields: list[dict[str, Any]]
    _vectors: NDArray[np.float16]

    def rows(self, wanted: NDArray[np.bool_] | None = None) -> list[dict[str, Any]]:
        """Return rows as Milvus takes them, all or those wanted. Vectors are widened: milvus-lite has no float16."""
        there = np.flatnonzero(np.ones(len(self.ids), bool) if wanted is None else wanted)
        wide = self._vectors[there].astype(np.float32)
        return [
            {
                "id": int(self.ids[one]),
                "mark": int(self.marks[one]),
                "view": self._views[one],
                **self._fields[one],
                "stamp": "",
                "vector": vector,
            }
            for one, vector in zip(there.tolist(), wide, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class PinnedViews:
    """All views of one generation of an index: its `table`, its studies as `columns`, and where the vectors lie."""

    spec: EncoderSpec
    generation: int
    table: ViewTable
    columns: StudyColumns
    segments: Mapping[int, Segment]

    @property
    def state(self) -> str:
        """Return the hash of what these views are."""
        return state_hash(self.spec, self.generation, self.table, self.segments)

    def parts(self, places: NDArray[np.int64] | None = None) -> Iterator[CollectionRows]:
        """Yield views in parts, in the table's order: all of them, or those at some `places` in it."""
        fields_of, table = _StudyFields(self.columns), self.table
        every = np.arange(len(table.id)) if places is None else places
        for start in range(0, len(every), _CHUNK):
            some = every[start : start + _CHUNK]
            vectors = gathered_rows(self.segments, "views", table.segment[some], table.row[some])
            names = [table.names[code] for code in table.name[some].tolist()]
            fields, written = zip(*map(fields_of, table.owner[some].tolist()), strict=True)
            marks = [_mark(one, *about) for one, *about in zip(vectors, names, written, strict=True)]
            yield CollectionRows(table.id[some], np.array(marks, np.int64), names, list(fields), vectors)


def _mark(vector: NDArray[np.float16], view: str, fields: bytes) -> int:
    told = b"\0".join((view.encode(), fields, vector.astype("<f2").tobytes()))
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little", signed=True)


class _StudyFields:
    """What filters ask of a study, by its place in key order, also as bytes; a study's views follow each other."""

    def __init__(self, columns: StudyColumns) -> None:
        self._several = {field: _lists(columns, field) for field in SERIES_FIELDS}
        self._texts = {field: _lists(columns, field) for field in TEXT_FIELDS}
        self._numbers = {field: _lists(columns, field) for field in NUMBERS}
        self._last: tuple[int, tuple[dict[str, Any], bytes]] = (-1, ({}, b""))

    def __call__(self, study: int) -> tuple[dict[str, Any], bytes]:
        """Return every field, None for one that is unknown."""
        if self._last[0] != study:
            found = self._of(study)
            self._last = study, (found, json.dumps(found, sort_keys=True).encode())
        return self._last[1]

    def _of(self, study: int) -> dict[str, Any]:
        found: dict[str, Any] = {name: sorted(set(map(str, of(study)))) for name, of in self._several.items()}
        found |= {name: next(map(str, of(study)), None) for name, of in self._texts.items()}
        for name, of in self._numbers.items():
            found[name] = next((float(one) for one in of(study) if isinstance(one, int | float)), None)
        return found


def _lists(columns: StudyColumns, field: str) -> Callable[[int], list[Any]]:
    """Return a field's values of a study by its place."""
    coded = columns.coded(field)
    order = np.argsort(coded.place, kind="stable")
    codes, ends = coded.code[order], np.searchsorted(coded.place[order], np.arange(len(columns.ids) + 1))
    return lambda study: [coded.values[code] for code in codes[ends[study] : ends[study + 1]].tolist()]
