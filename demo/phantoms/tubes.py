"""Branching trees and tubes as clouds of particles, each with a position and a volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cloud", "grow_tree", "join", "resample", "tube"]

F = NDArray[np.float64]
_GOLDEN = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """`points (N, 3)` mm, `weights (N,)` mm3, `radial (N,)` 0 at the axis to 1 at the surface."""

    points: F
    weights: F
    radial: F

    def keep(self, chosen: NDArray[np.bool_]) -> Cloud:
        """The particles where `chosen` is true."""
        return Cloud(self.points[chosen], self.weights[chosen], self.radial[chosen])


def join(clouds: list[Cloud]) -> Cloud:
    """Several clouds as one."""
    return Cloud(
        np.concatenate([c.points for c in clouds]),
        np.concatenate([c.weights for c in clouds]),
        np.concatenate([c.radial for c in clouds]),
    )


def resample(path: F, radii: F, step: float) -> tuple[F, F]:
    """Points about `step` mm apart along a smooth curve through `path (N, 3)`, with radii between."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    count = max(int(length[-1] / step), 2)
    at = np.linspace(0, length[-1], count)
    points = np.stack([np.interp(at, length, path[:, k]) for k in range(3)], axis=1)
    if len(path) > 2:  # round the corners over a fifth of the way between knots
        width = max(int(count / (len(path) - 1) * 0.5), 1)
        padded = np.concatenate([np.repeat(points[:1], width, 0), points, np.repeat(points[-1:], width, 0)])
        kernel = np.ones(2 * width + 1) / (2 * width + 1)
        inner = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(3)], axis=1)
        points = inner
    return points, np.interp(at, length, radii)


def tube(path: F, radii: F, cell: float, *, outward: F | None = None, flatten: float = 1.0) -> Cloud:
    """Fill a tube along `path (N, 3)`: a sunflower of particles, about `cell` mm2 each, at every point.

    `outward (N, 3)`: the direction in which the section is flattened to `flatten` of its radius.
    """
    tangent = np.gradient(path, axis=0)
    step = np.linalg.norm(tangent, axis=1, keepdims=True)
    tangent = tangent / np.maximum(step, 1e-9)
    guess = outward if outward is not None else np.where(np.abs(tangent[:, 2:]) < 0.8, [[0, 0, 1.0]], [[1.0, 0, 0]])
    first = guess - np.sum(guess * tangent, axis=1, keepdims=True) * tangent
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(tangent, first)
    area = np.pi * radii**2 * flatten
    count = np.maximum(np.ceil(area / cell).astype(int), 1)
    owner = np.repeat(np.arange(len(path)), count)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    radial = np.sqrt((rank + 0.5) / count[owner])
    angle = rank * _GOLDEN + owner * 1.7
    reach = radial * radii[owner]
    points = path[owner] + (reach * np.cos(angle) * flatten)[:, None] * first[owner]
    points = points + (reach * np.sin(angle))[:, None] * second[owner]
    return Cloud(points, (area / count * step[:, 0])[owner], radial)


def grow_tree(root: F, targets: F, leaf: float, exponent: float = 3.0) -> tuple[F, F, F]:
    """Join `targets (N, 3)` to `root (3,)`, nearest first, each to the node that keeps its path short.

    Returns segment starts, ends `(N, 3)` and radii `(N,)` that follow Murray's law from `leaf` mm up.
    """
    targets = targets[np.argsort(np.linalg.norm(targets - root, axis=1))]
    nodes = np.concatenate([root[None], targets])
    along = np.zeros(len(nodes))
    parent = np.zeros(len(nodes), int)
    for k in range(1, len(nodes)):
        reach = np.linalg.norm(nodes[:k] - nodes[k], axis=1)
        best = int(np.argmin(reach + 0.45 * along[:k]))
        parent[k], along[k] = best, along[best] + reach[best]
    flow = np.full(len(nodes), leaf**exponent)
    for k in range(len(nodes) - 1, 0, -1):
        flow[parent[k]] += flow[k] if parent[k] else 0.0
    return nodes[parent[1:]], nodes[1:], flow[1:] ** (1 / exponent)
