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

__all__ = ["TEXT_FIELDS", "PinnedViews", "ViewRows"]

TEXT_FIELDS = (*WORDS, "report")  # of a study, one value each; those of series are arrays
_CHUNK = 4096  # views; 8 MB of float32 at 512 wide, of the 64 MB that a request may have


@dataclass(frozen=True, slots=True, eq=False)
class ViewRows:
    """Some views: `ids (n,)`, `marks (n,)` that change with anything that is sent, and `rows` as Milvus takes them."""

    ids: NDArray[np.int64]
    marks: NDArray[np.int64]
    rows: list[dict[str, Any]]


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

    def rows(self, places: NDArray[np.int64] | None = None) -> Iterator[ViewRows]:
        """Yield views in parts, in the table's order: all of them, or those at some `places` in it."""
        fields, table = _StudyFields(self.columns), self.table
        every = np.arange(len(table.id)) if places is None else places
        for start in range(0, len(every), _CHUNK):
            some = every[start : start + _CHUNK]
            vectors = gathered_rows(self.segments, "views", table.segment[some], table.row[some])
            rows = [
                _row(int(table.id[place]), table.names[table.name[place]], fields.of(int(table.owner[place])), vector)
                for place, vector in zip(some.tolist(), vectors, strict=True)
            ]
            yield ViewRows(table.id[some], np.array([row["mark"] for row in rows], np.int64), rows)


def _row(number: int, view: str, fields: dict[str, Any], vector: NDArray[np.float16]) -> dict[str, Any]:
    """Return a row. The vector is widened, which changes no value: milvus-lite has no float16."""
    about = json.dumps([view, fields], sort_keys=True).encode()
    mark = hashlib.blake2b(vector.astype("<f2").tobytes() + about, digest_size=8).digest()
    mark_number = int.from_bytes(mark, "little", signed=True)
    return {"id": number, "mark": mark_number, "view": view, **fields, "stamp": "", "vector": vector.astype(np.float32)}


class _StudyFields:
    """What filters ask of a study, by its place in key order."""

    def __init__(self, columns: StudyColumns) -> None:
        self._several = {field: _lists(columns, field) for field in SERIES_FIELDS}
        self._texts = {field: _lists(columns, field) for field in TEXT_FIELDS}
        self._numbers = {field: _lists(columns, field) for field in NUMBERS}

    def of(self, study: int) -> dict[str, Any]:
        """Return every field; None for a study's that is unknown."""
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
