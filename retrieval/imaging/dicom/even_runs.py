"""Ordered positions cut into runs of one constant step each. Pure geometry."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_regular", "regular_runs"]

STEP_TOLERANCE_MM: Final = 0.11  # headers round positions to 0.1 mm
STEP_TOLERANCE_SHARE: Final = 0.03  # of the distance between slices


def is_regular(places: NDArray[np.float64]) -> bool:
    """Whether ordered positions `(N, 3)` are one run."""
    return len(regular_runs(places)) <= 1


def regular_runs(places: NDArray[np.float64], offset: int = 0) -> list[tuple[int, int]]:
    """Cut ordered positions `(N, 3)` into runs `[start, stop)` of one constant step each, numbered from `offset`."""
    count = len(places)
    if count <= 2:
        return [(offset, offset + count)] if count else []
    steps = np.diff(places, axis=0)
    middle = np.median(steps, axis=0)
    typical = steps[np.argmin(np.linalg.norm(steps - middle, axis=1))]
    tolerance = max(STEP_TOLERANCE_MM, STEP_TOLERANCE_SHARE * float(np.linalg.norm(typical)))
    good = np.linalg.norm(steps - typical, axis=1) <= tolerance
    start, stop = _longest(good)
    if stop - start == count - 1:
        return [(offset, offset + count)]
    return [
        *regular_runs(places[:start], offset),
        (offset + start, offset + stop + 1),
        *regular_runs(places[stop + 1 :], offset + stop + 1),
    ]


def _longest(good: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest stretch `[start, stop)` of True, the first of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    starts, stops = edges[::2], edges[1::2]
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])
