"""The vectors of an index as one NumPy matrix with a key for every row, for other libraries to take over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.store import Store, pages

__all__ = ["Level", "StoredVectors", "VectorKey", "VectorTable", "vector_table"]

Level = Literal["study", "view", "slice"]


@dataclass(frozen=True, slots=True)
class VectorKey:
    """Whose a row is: a study; at the levels below, its series and view; of a slice, its zero-based Z in the Volume."""

    study: str
    series: str | None = None
    view: str | None = None
    z: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """`vectors (N, D)` float32 unit rows, C-contiguous, and the key of each."""

    vectors: NDArray[np.float32]
    keys: tuple[VectorKey, ...]

    def __len__(self) -> int:
        return len(self.keys)


def vector_table(store: Store, level: Level = "study") -> VectorTable:
    """Return the stored vectors of every study, in key order.

    Args:
        store: an open index.
        level: "slice" for the slice vectors as stored, "view" for the pooled vector of each view, "study" for the
            unit mean of a study's view vectors.

    Returns:
        All rows in memory: `4 * N * D` bytes.

    Raises:
        UsageError: no such level.
    """
    if level not in get_args(Level):
        raise UsageError(f"There is no level '{level}'; give study, view or slice.")
    keys: list[VectorKey] = []
    parts: list[NDArray[np.floating]] = []
    for names, rows in _rows(store, level):
        keys += names
        parts.append(rows)
    vectors = np.concatenate(parts) if parts else np.empty((0, store.spec.dim))
    return VectorTable(np.ascontiguousarray(vectors, np.float32), tuple(keys))


class StoredVectors:
    """What an index offers beside the `Store` protocol: its vectors, all together."""

    def vectors(self: Store, level: Level = "study") -> VectorTable:
        """Return the stored vectors of every study with a key for each row.

        Args:
            level: "study", "view" or "slice"; see `vector_table`.

        Returns:
            `vectors (N, D)` float32 unit rows in study order, and `keys`.

        Raises:
            UsageError: no such level.
        """
        return vector_table(self, level)


def _rows(store: Store, level: Level) -> Iterator[tuple[list[VectorKey], NDArray[np.floating]]]:
    for case in pages(store):
        views = store.slice_vectors(case.key)
        if level == "study" and views:
            yield [VectorKey(case.key)], mean_pool(np.stack([view.pooled for view in views]).astype(np.float32))[None]
        for one in views if level != "study" else ():
            if level == "view":
                yield [VectorKey(case.key, one.series_key, one.view)], one.pooled[None]
            else:
                keys = [VectorKey(case.key, one.series_key, one.view, int(z)) for z in one.z]
                yield keys, np.array(one.slices)  # a copy: what is stored is mapped, and given back
