"""Layers of tissue over points of a head, painted in order with soft edges: the same head for CT and MR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.head.distance_fields import Array
from radseek.demo.phantoms.head.head_space import SUB, Points

__all__ = ["Canvas", "Layer", "render", "to_grid"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One tissue and how much of each point it covers (0 to 1); `where` picks points, None is all of them."""

    tissue: str
    alpha: Array
    where: NDArray[np.int64] | None = None


@dataclass(eq=False)
class Canvas:
    """Points and the layers painted on them, first at the bottom."""

    points: Points
    layers: list[Layer] = field(default_factory=list)

    def add(self, tissue: str, alpha: Array, where: NDArray[np.int64] | None = None) -> None:
        """Paint `tissue` over what is there."""
        self.layers.append(Layer(tissue, alpha, where))


def render(canvas: Canvas, values: Mapping[str, float], shifts: Mapping[str, float]) -> Array:
    """Values of the canvas' points: a tissue of `values` covers, one of `shifts` adds, others are not seen."""
    out = np.full(canvas.points.x.shape, values["air"], np.float32)
    for layer in canvas.layers:
        where = slice(None) if layer.where is None else layer.where
        if layer.tissue in values:
            here = out[where]
            out[where] = here + layer.alpha * (np.float32(values[layer.tissue]) - here)
        elif layer.tissue in shifts:
            out[where] += layer.alpha * np.float32(shifts[layer.tissue])
    return out


def to_grid(index: NDArray[np.int64], values: Array, shape: tuple[int, int, int], fill: float) -> Array:
    """Put fine-grid `values` at `index` into a `(Z, Y, X)` volume, each slice the mean of its thin ones."""
    fine = np.full(shape[0] * SUB * shape[1] * shape[2], fill, np.float32)
    fine[index] = values
    thick: Array = fine.reshape(shape[0], SUB, shape[1], shape[2]).mean(axis=1, dtype=np.float32)
    return thick
