"""How near an index's studies of one kind lie to each other, measured on the studies themselves.

Of every view of a kind of study (modality and body part, exactly as stored) each vector is compared with those of other
patients. Two things come of it: the floor, the similarity that all but few of the studies find in their nearest
neighbour, below which a case is not close enough to show; and the limit of the domain, the same for the third nearest
patient, below which an image is not one of its kind (Sun et al., "Out-of-distribution detection with deep nearest
neighbors", ICML 2022). The third, so that two strays in an archive do not let in all of theirs. A Gaussian with
shrinkage (Lee et al., NeurIPS 2018; Ledoit and Wolf 2004) was measured beside it, see docs/floor.md.

Both limits are order statistics of values left out one at a time, so a study of the same kind falls under them about as
often as is said here, whatever the encoder.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.store import Scope, Store

__all__ = ["FEWEST", "NEAREST", "Closeness", "SampleRows", "ViewCloseness", "measure_closeness", "sample_rows"]

FEWEST: Final = 30  # patients of a kind; fewer have no floor and no domain
NEAREST: Final = 3  # the patient by whose similarity an image is in or out of the domain
_MOST: Final = 2000  # studies of a kind that are compared
_UNDER: Final = 0.04  # share of a kind's studies that may find nothing close enough; chosen on training data
_OUTSIDE: Final = 0.02  # share of a kind's images that may be called out of its domain; chosen likewise
_DIGITS: Final = 5
_BLOCK: Final = 512  # vectors compared at a time


@dataclass(frozen=True, slots=True)
class ViewCloseness:
    """Of one view of one kind of study: how many patients were compared, the floor, and the limit of the domain."""

    modality: str
    body_part: str
    view: str
    patients: int
    floor: float
    domain: float


@dataclass(frozen=True, slots=True)
class Closeness:
    """What was measured of one generation of an index, under one pooling."""

    generation: int
    pooling: str
    views: tuple[ViewCloseness, ...] = ()

    def of(self, modality: str, body_part: str, view: str) -> ViewCloseness | None:
        """Return what was measured of a view of a kind of study; None where too few patients have it."""
        found = (one for one in self.views if (one.modality, one.body_part, one.view) == (modality, body_part, view))
        return next(found, None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as the manifest keeps it."""
        return {
            "generation": self.generation,
            "pooling": self.pooling,
            "views": [asdict(one) for one in self.views],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Closeness:
        """Return what `to_dict` gave. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        views = tuple(ViewCloseness(**one) for one in document["views"])
        return cls(int(document["generation"]), str(document["pooling"]), views)


@dataclass(frozen=True, slots=True, eq=False)
class SampleRows:
    """Vectors of one view of a kind of study: `rows (R, D)` float32, those of a patient together.

    `patients`: P names, a patient's key or, without one, the study's; `starts (P,)`: each one's first row.
    """

    rows: NDArray[np.float32]
    patients: tuple[str, ...]
    starts: NDArray[np.intp]

    def bests(self, queries: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return for `(Q, D)` queries their highest cosine with each patient's rows, `(Q, P)`."""
        products = queries.astype(np.float32) @ self.rows.T
        best: NDArray[np.float32] = np.maximum.reduceat(products, self.starts, axis=1)
        return best

    def nearest(self, query: NDArray[np.floating], without: Collection[str], rank: int) -> float | None:
        """Return the cosine of `(D,)` with its `rank`-th nearest patient but some; None for fewer patients."""
        left = np.array([name not in without for name in self.patients], bool)
        bests = self.bests(query[None])[0][left]
        return None if len(bests) < rank else float(np.partition(bests, -rank)[-rank])


def sample_rows(store: Store, modality: str, body_part: str) -> dict[str, SampleRows]:
    """Return the view vectors of a kind of study by the view's name, of at most 2,000 studies.

    Which studies depends on their keys alone, so it hardly changes when an index grows.
    """
    keys = store.study_keys(Scope(kind=(modality, body_part)))
    chosen = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())[:_MOST]
    cases = store.cases(studies=chosen) if chosen else []
    found: dict[str, list[tuple[str, str, NDArray[np.float16]]]] = {}
    for case in cases:
        of_kind = {one.key for one in case.series if (one.modality, one.body_part) == (modality, body_part)}
        for view in store.slice_vectors(case.key):
            if view.series_key in of_kind:
                row = (case.patient_key or case.key, case.key, np.array(view.pooled))
                found.setdefault(view.view, []).append(row)
    return {name: _together(rows) for name, rows in sorted(found.items())}


def measure_closeness(store: Store) -> Closeness:
    """Measure every view of every kind of study that an index has of `FEWEST` patients or more.

    Args:
        store: an open index.

    Returns:
        The same for the same studies and pooling, on whatever store.
    """
    views = []
    for modality, body_part in store.kinds():
        if store.passing(Scope(kind=(modality, body_part))) < FEWEST:
            continue
        for name, rows in sample_rows(store, modality, body_part).items():
            if len(rows.patients) >= FEWEST:
                floor, domain = _limits(rows)
                views.append(ViewCloseness(modality, body_part, name, len(rows.patients), floor, domain))
    return Closeness(store.generation, store.spec.pooling_hash, tuple(views))


def _together(found: list[tuple[str, str, NDArray[np.float16]]]) -> SampleRows:
    ordered = sorted(found, key=lambda one: one[:2])
    owners = [owner for owner, _, _ in ordered]
    patients, starts = np.unique(np.array(owners), return_index=True)
    return SampleRows(np.stack([row for _, _, row in ordered]).astype(np.float32), tuple(patients.tolist()), starts)


def _limits(sample: SampleRows) -> tuple[float, float]:
    """Return the floor and the limit of the domain, each vector compared with other patients' only."""
    count = len(sample.rows)
    owner = np.searchsorted(sample.starts, np.arange(count), side="right") - 1
    first, later = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, _BLOCK):
        part = slice(start, min(start + _BLOCK, count))
        bests = sample.bests(sample.rows[part])
        bests[np.arange(len(bests)), owner[part]] = -2.0  # below any cosine
        top = np.partition(bests, -NEAREST, axis=1)
        first[part], later[part] = top[:, -NEAREST:].max(axis=1), top[:, -NEAREST]
    return _lowest(first, _UNDER), _lowest(later, _OUTSIDE)


def _lowest(values: NDArray[np.float32], share: float) -> float:
    """Return the value under which one more like these falls with at most that probability, rounded down.

    The `floor((n + 1) * share)`-th smallest of n (Vovk et al., Algorithmic Learning in a Random World, 2005), or of
    fewer than `1 / share` the smallest.
    """
    place = max(int((len(values) + 1) * share), 1) - 1
    scale = 10**_DIGITS
    return math.floor(float(np.sort(values)[place]) * scale) / scale
