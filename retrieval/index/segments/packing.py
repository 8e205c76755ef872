"""Checks studies on their way into an index and lays their vectors out in one segment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.store import StudyRecord

__all__ = ["PackedStudy", "PackedView", "Packing"]

_KEY = re.compile(r"2\.25\.\d{1,39}")
_UNIT_TOLERANCE = 0.01  # float16 rows of up to a few thousand columns are this near to unit length


@dataclass(frozen=True, slots=True)
class PackedView:
    """Where one view went: its series' place in the record, and rows of the segment's arrays."""

    series: int
    name: str
    row: int
    start: int
    count: int
    z: bytes
    position: bytes


@dataclass(frozen=True, slots=True, eq=False)
class PackedStudy:
    """One record, and where its views and its first sentence went."""

    record: StudyRecord
    views: tuple[PackedView, ...]
    first_sentence: int


@dataclass(slots=True)
class Packing:
    """Collects records; `parts` are what a segment is written from. `text`: whether sentences have vectors."""

    dim: int
    text: bool = True
    studies: list[PackedStudy] = field(default_factory=list)
    parts: dict[str, list[NDArray[np.float16]]] = field(
        default_factory=lambda: {"slices": [], "views": [], "sentences": []}
    )
    _rows: dict[str, int] = field(default_factory=lambda: {"slices": 0, "views": 0, "sentences": 0})
    _keys: set[str] = field(default_factory=set)

    def add_all(self, records: Iterable[StudyRecord]) -> None:
        """Add records in order. Raises `UsageError` for one that breaks a rule of `StudyRecord`."""
        for record in records:
            self.add(record)

    def add(self, record: StudyRecord) -> None:
        """Add one record. Raises `UsageError` where it breaks a rule of `StudyRecord`."""
        for key in (record.key, *(series.key for series in record.series)):
            _require(_KEY.fullmatch(key) is not None, record, f"the key '{key}' is no 2.25. UID of a keyed hash")
        _require(record.key not in self._keys, record, "it is there twice")
        self._keys.add(record.key)
        views = tuple(self._views(record))
        first = self._rows["sentences"]
        vectors = record.sentence_vectors
        if not self.text:
            _require(vectors is None, record, "its sentences have vectors, and the encoder has no text tower")
            self._rows["sentences"] += len(record.sentences)  # their places in the catalogue
        elif record.sentences or vectors is not None:
            _require(
                vectors is not None and len(vectors) == len(record.sentences), record, "sentences and vectors differ"
            )
            if vectors is not None:
                self._push("sentences", vectors, record)
        self.studies.append(PackedStudy(record, views, first))

    def _views(self, record: StudyRecord) -> Iterable[PackedView]:
        for ordinal, series in enumerate(record.series):
            for view in series.views:
                count = len(view.slices)
                _require(count > 0 and len(view.z) == count, record, f"view {view.view} has {count} slices")
                _require(len(view.position) in (0, count), record, f"view {view.view} lacks some positions")
                start = self._push("slices", view.slices, record)
                row = self._push("views", view.pooled[None], record)
                z = np.asarray(view.z, "<i4").tobytes()
                position = np.asarray(view.position, "<f8").tobytes()
                yield PackedView(ordinal, view.view, row, start, count, z, position)

    def _push(self, name: str, vectors: NDArray[np.float16], record: StudyRecord) -> int:
        shape = vectors.shape
        good = vectors.dtype == np.float16 and vectors.ndim == 2 and shape[1] == self.dim
        _require(good, record, f"its {name} are {vectors.dtype} {shape}, not float16 (N, {self.dim})")
        norms = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1))
        unit = bool(np.all(np.abs(norms - 1) < _UNIT_TOLERANCE))  # False for NaN too
        _require(unit, record, f"its {name} are not finite rows of unit length")
        first = self._rows[name]
        self._rows[name] += len(vectors)
        self.parts[name].append(vectors)
        return first


def _require(holds: bool, record: StudyRecord, rule: str) -> None:
    if not holds:
        raise UsageError(f"Study {record.key} cannot be stored: {rule}; build the record as StudyRecord says.")
