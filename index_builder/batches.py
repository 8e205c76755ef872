"""Slices of many series through the encoder in batches of one fixed shape; volumes one by one.

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

from radseek.index_builder.prepare_study import PreparedView
from radseek.retrieval.encoders.encode_series import embed_volume, encode_padded, pool_view
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.imaging.views.volume_input import VolumeInput
from radseek.retrieval.types import ViewVectors

__all__ = ["HasViews", "encode_across"]


class HasViews(Protocol):
    """A study with something to encode."""

    @property
    def views(self) -> tuple[PreparedView | VolumeInput, ...]:
        """Return what to encode, series by series."""
        ...


Item = TypeVar("Item", bound=HasViews)


@dataclass(slots=True)
class _Pending(Generic[Item]):
    item: Item
    missing: int
    vectors: list[NDArray[np.float16]] = field(default_factory=list)


def encode_across(encoder: Encoder, items: Iterable[Item]) -> Iterator[tuple[Item, tuple[ViewVectors, ...]]]:
    """Yield each item with the vectors of its views, which name no series yet, in the order given."""
    if encoder.spec.recipe.volume is not None:
        for item in items:
            yield item, tuple(embed_volume(one, encoder) for one in item.views if isinstance(one, VolumeInput))
        return
    pending: deque[_Pending[Item]] = deque()
    rows: list[NDArray[np.uint8]] = []  # slices waiting, each (C, S, S)
    owners: list[_Pending[Item]] = []
    size = encoder.batch_size
    for item in items:
        views = _slice_views(item)
        entry = _Pending(item, sum(len(view.slices) for view in views))
        pending.append(entry)
        for view in views:
            rows.extend(view.slices)
            owners.extend([entry] * len(view.slices))
        while len(rows) >= size:
            _encode(encoder, rows[:size], owners[:size])
            del rows[:size], owners[:size]
        while pending and not pending[0].missing:
            yield _finished(encoder, pending.popleft())
    if rows:
        _encode(encoder, rows, owners)
    while pending:
        yield _finished(encoder, pending.popleft())


def _slice_views(item: HasViews) -> list[PreparedView]:
    return [view for view in item.views if isinstance(view, PreparedView)]


def _encode(encoder: Encoder, rows: list[NDArray[np.uint8]], owners: list[_Pending[Item]]) -> None:
    batch = np.stack([np.broadcast_to(row, (3, *row.shape[1:])) for row in rows])
    for vector, owner in zip(encode_padded(encoder, batch), owners, strict=True):
        owner.vectors.append(vector)
        owner.missing -= 1


def _finished(encoder: Encoder, entry: _Pending[Item]) -> tuple[Item, tuple[ViewVectors, ...]]:
    views, start = [], 0
    for view in _slice_views(entry.item):
        slices = np.stack(entry.vectors[start : start + len(view.slices)])
        views.append(ViewVectors(view.name, "", slices, pool_view(encoder, slices), view.z, view.position))
        start += len(view.slices)
    return entry.item, tuple(views)
