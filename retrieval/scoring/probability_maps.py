"""From a margin to a probability: the two shapes that a calibrator fitted on labels may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["IsotonicMap", "LogisticMap", "ProbabilityMap", "map_from_json"]


@dataclass(frozen=True, slots=True)
class LogisticMap:
    """`1 / (1 + exp(-(a * margin + b)))`: Platt scaling (Platt 1999), or temperature scaling with `a = 1 / T`."""

    a: float
    b: float

    def __post_init__(self) -> None:
        if not np.isfinite([self.a, self.b]).all():
            raise ValueError(f"a and b must be finite, not {self.a} and {self.b}")

    def of(self, margins: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each margin, of any shape."""
        # The logistic function as a tangent, which no margin overflows.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (self.a * np.asarray(margins, np.float64) + self.b))))

    def to_dict(self) -> dict[str, Any]:
        """Return what `map_from_json` reads back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class IsotonicMap:
    """Straight lines between points, never falling, level beyond the first and the last."""

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.array(self.margins, np.float64), np.array(self.probabilities, np.float64)
        good = len(x) == len(y) > 0 and np.isfinite(x).all() and (np.diff(x) > 0).all() and (np.diff(y) >= 0).all()
        if not good or y[0] < 0 or y[-1] > 1:
            raise ValueError("margins must rise, and probabilities must not fall nor leave 0 to 1")

    def of(self, margins: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each margin, of any shape."""
        return np.asarray(np.interp(np.asarray(margins, np.float64), self.margins, self.probabilities))

    def to_dict(self) -> dict[str, Any]:
        """Return what `map_from_json` reads back."""
        return {"margins": list(self.margins), "probabilities": list(self.probabilities)}


ProbabilityMap = LogisticMap | IsotonicMap


def map_from_json(data: Mapping[str, Any]) -> ProbabilityMap:
    """Return the map that `to_dict` wrote. Raises `KeyError`, `TypeError` or `ValueError` where it is malformed."""
    if "margins" in data:
        return IsotonicMap(tuple(map(float, data["margins"])), tuple(map(float, data["probabilities"])))
    return LogisticMap(float(data["a"]), float(data["b"]))
