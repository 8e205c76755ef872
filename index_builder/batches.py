"""Slices of many series through the encoder in batches of one fixed shape.

A batch is filled across series and studies, so a radiograph does not cost a whole batch; a study comes out once the
last of its slices is encoded, in the order studies went in. Batches always have the same number of rows (the last is
padded), so a vector does not depend on what else was in its batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.encoder import Encoder

__all__ = ["HasSlices", "encode_across"]


class HasSlices(Protocol):
    """A study with something to encode: one `(N, C, S, S)` uint8 array per view, C being 1 (grey) or 3."""

    @property
    def prepared(self) -> tuple[NDArray[np.uint8], ...]:
        """Return the prepared slices, view by view."""
        ...


Item = TypeVar("Item", bound=HasSlices)


@dataclass(slots=True)
class _Pending(Generic[Item]):
    item: Item
    missing: int
    vectors: list[NDArray[np.float16]] = field(default_factory=list)


def encode_across(encoder: Encoder, items: Iterable[Item]) -> Iterator[tuple[Item, tuple[NDArray[np.float16], ...]]]:
    """Yield each item with its unit slice vectors `(N, D)` float16, one array per view, in the order given."""
    pending: deque[_Pending[Item]] = deque()
    rows: list[NDArray[np.uint8]] = []  # slices waiting, each (C, S, S)
    owners: list[_Pending[Item]] = []
    size = encoder.batch_size
    for item in items:
        entry = _Pending(item, sum(len(array) for array in item.prepared))
        pending.append(entry)
        for array in item.prepared:
            rows.extend(array)
            owners.extend([entry] * len(array))
        while len(rows) >= size:
            _encode(encoder, rows[:size], owners[:size])
            del rows[:size], owners[:size]
        while pending and not pending[0].missing:
            yield _finished(pending.popleft())
    if rows:
        _encode(encoder, rows, owners)
    while pending:
        yield _finished(pending.popleft())


def _encode(encoder: Encoder, rows: list[NDArray[np.uint8]], owners: list[_Pending[Item]]) -> None:
    batch = np.stack([np.broadcast_to(row, (3, *row.shape[1:])) for row in rows])
    for vector, owner in zip(encode_padded(encoder, batch), owners, strict=True):
        owner.vectors.append(vector)
        owner.missing -= 1


def _finished(entry: _Pending[Item]) -> tuple[Item, tuple[NDArray[np.float16], ...]]:
    views, start = [], 0
    for array in entry.item.prepared:
        views.append(np.stack(entry.vectors[start : start + len(array)]))
        start += len(array)
    return entry.item, tuple(views)
