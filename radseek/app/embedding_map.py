"""The archive on a plane: studies whose images look alike to the encoder lie near each other.

UMAP (McInnes et al., 2018), seeded, in a worker process that can be stopped; a principal-component plane where there
are too few studies for neighbourhoods to mean anything. Distances across the map mean little, neighbours much.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from radseek.app.session import Session
from radseek.retrieval.errors import MissingExtraError, UsageError
from radseek.retrieval.index.store import Case
from radseek.retrieval.workers import supervised_map

__all__ = [
    "FEWEST_FOR_UMAP",
    "MOST_SHOWN",
    "EmbeddingMap",
    "lay_out",
    "map_archive",
    "principal_plane",
    "study_vectors",
]

FEWEST_FOR_UMAP: Final = 15  # studies
MOST_SHOWN: Final = 20_000  # studies; of more, evenly spaced ones by key, which is random
_SEED: Final = 7
_NEIGHBOURS: Final = 15
_LIMIT: Final = 1800.0  # seconds
_TASK: Final = "radseek.app.embedding_map:lay_out"  # what the worker calls
_STUDIES_AT_ONCE: Final = 50  # studies read before other visitors may ask
Method = Literal["umap", "pca"]
Stage = Literal["read", "lay_out"]
Progress = Callable[[Stage, int, int], None]  # stage, studies done, of how many


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMap:
    """`places (N, 2)` float32 of the studies `keys`, in the index's order; `total` of them are stored."""

    generation: int
    keys: tuple[str, ...]
    places: NDArray[np.float32]
    method: Method
    total: int


def map_archive(
    session: Session,
    progress: Progress = lambda stage, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> EmbeddingMap:
    """Return the map of a session's index as it is now.

    Raises `CancelledError` once `stopped()`, `MissingExtraError` where umap-learn is not installed and needed.
    """
    with session.engine() as engine:
        generation = 0 if engine.store is None else engine.store.generation
    keys = session.study_keys()
    step = -(-len(keys) // MOST_SHOWN) or 1
    vectors, shown = study_vectors(session, session.named(keys[::step]), progress, stopped)
    progress("lay_out", 0, len(shown))
    if len(shown) < FEWEST_FOR_UMAP:
        return EmbeddingMap(generation, shown, principal_plane(vectors), "pca", len(keys))
    return EmbeddingMap(generation, shown, _in_worker(vectors, stopped), "umap", len(keys))


def study_vectors(
    session: Session, cases: list[Case], progress: Progress, stopped: Callable[[], bool]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return `(N, D)` unit rows, each the mean of a study's pooled views, and the keys of those that have any."""
    rows: list[NDArray[np.float32]] = []
    keys: list[str] = []
    for start in range(0, len(cases), _STUDIES_AT_ONCE):
        if stopped():
            raise CancelledError
        with session.engine() as engine:
            for case in cases[start : start + _STUDIES_AT_ONCE]:
                views = [] if engine.store is None else engine.store.slice_vectors(case.key)
                if views:
                    mean = np.mean([view.pooled.astype(np.float32) for view in views], axis=0)
                    rows.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
                    keys.append(case.key)
        progress("read", min(start + _STUDIES_AT_ONCE, len(cases)), len(cases))
    return np.stack(rows) if rows else np.zeros((0, 2), np.float32), tuple(keys)


def principal_plane(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `(N, 2)`: the two directions in which `(N, D)` rows differ most, each sign fixed by its largest part."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64) if len(vectors) else vectors
    places = np.zeros((len(vectors), 2), np.float64)
    if len(vectors) > 1:
        left, size, _ = np.linalg.svd(centred, full_matrices=False)
        kept = min(2, len(size))
        flat = left[:, :kept] * size[:kept]
        largest = flat[np.abs(flat).argmax(axis=0), np.arange(kept)]
        places[:, :kept] = flat * np.where(largest < 0, -1.0, 1.0)
    return places.astype(np.float32)


def lay_out(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return UMAP's `(N, 2)` places of `(N, D)` rows; the same rows give the same places. Raises `ImportError`."""
    umap: Any = import_module("umap")  # no type hints; and it takes seconds to import
    reducer = umap.UMAP(n_neighbors=min(_NEIGHBOURS, len(vectors) - 1), metric="cosine", random_state=_SEED, n_jobs=1)
    return np.asarray(reducer.fit_transform(vectors), np.float32)


def _in_worker(vectors: NDArray[np.float32], stopped: Callable[[], bool]) -> NDArray[np.float32]:
    """Lay out in another process: UMAP holds its thread for its whole time, and only a process can be stopped."""
    outcome = next(
        supervised_map(_TASK, [vectors], workers=1, time_limit=_LIMIT, stopped=stopped, keep=False), None
    )  # not kept: its compiler holds hundreds of megabytes
    if outcome is None:
        raise CancelledError
    if outcome.error is not None and "ModuleNotFoundError" in str(outcome.error):
        raise MissingExtraError("The map of an archive needs umap-learn: install radseek[demo].")
    if outcome.error is not None:
        raise UsageError(f"The map could not be drawn ({outcome.error}).")
    places: NDArray[np.float32] = outcome.value
    return places
