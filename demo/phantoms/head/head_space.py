"""Where every voxel of the scan is in the patient's own head: pose, build, slow warps, mass effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.head.distance_fields import Array, sigmoid, smooth_min
from radseek.demo.phantoms.head.patient_plan import HeadPlan
from radseek.demo.phantoms.random_fields import Grid

__all__ = ["Points", "Region", "cavity_depth", "displaced_x", "locate", "measure_shift", "midline_push"]

SUB = 2  # thin slices drawn for each slice shown: their mean is the partial volume of a thick slice


@dataclass(frozen=True, eq=False)
class Points:
    """Canonical coordinates (mm) of some voxels; `index` is their place in the flattened fine grid."""

    x: Array
    y: Array
    z: Array
    index: NDArray[np.int64]

    def take(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Points:
        """Only those that `keep` marks or names."""
        return Points(self.x[keep], self.y[keep], self.z[keep], self.index[keep])


@dataclass(frozen=True, eq=False)
class Region:
    """Points with their depth (mm, positive inside) under the inner table of the skull."""

    points: Points
    depth: Array


def _rotation(angles: tuple[float, float, float]) -> NDArray[np.float32]:
    """Pitch about x, yaw about z, roll about y."""
    (cp, cy, cr), (sp, sy, sr) = np.cos(angles), np.sin(angles)
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    roll = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    turn: NDArray[np.float32] = (pitch @ yaw @ roll).astype(np.float32)
    return turn


def locate(grid: Grid, plan: HeadPlan) -> Points:
    """Canonical coordinates of the fine grid's voxels that can belong to a head; the rest is air."""
    fine = (np.arange(grid.size[2] * SUB) - (SUB - 1) / 2) / SUB
    heights = (grid.origin[2] + grid.step[2] * fine).astype(np.float32)
    axes = [a - np.float32(o) for a, o in zip((grid.axis(0), grid.axis(1), heights), plan.offset, strict=True)]
    turn = _rotation(plan.angles) / np.array(plan.scale, np.float32)[:, None]
    gx, gy, gz = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
    x, y, z = (row[0] * gx + row[1] * gy + row[2] * gz for row in turn)
    near = (x / 106) ** 2 + ((y + 4) / 124) ** 2 + (np.maximum(z, 0) / 110) ** 2 < 1
    index = np.flatnonzero(near)
    return _warp(Points(x.ravel()[index], y.ravel()[index], z.ravel()[index], index), plan)


def _warp(p: Points, plan: HeadPlan) -> Points:
    """Everybody is a little asymmetric: slow sines move each axis by a few millimetres."""
    moved = [p.x, p.y, p.z]
    for row, (kx, ky, kz, phase, amplitude) in enumerate(plan.waves):
        angle = p.x * np.float32(kx) + p.y * np.float32(ky) + p.z * np.float32(kz) + np.float32(phase)
        moved[row % 3] = moved[row % 3] + np.float32(amplitude) * np.sin(angle)
    return Points(moved[0], moved[1], moved[2], p.index)


def _floor(x: Array, y: Array) -> Array:
    """Height of the skull base: anterior, middle and posterior fossa, with sella and petrous ridges."""
    lateral = np.abs(x)
    ridge = -6 + 0.5 * lateral
    front = -14 - 5 * np.exp(-((x / 12) ** 2))
    middle = -43 + 14 * np.exp(-((x / 15) ** 2))
    back = -72 + 0.011 * (x * x + (y - 38) ** 2)
    to_middle = sigmoid((y + 40 - 0.15 * lateral) / 3)
    to_back = sigmoid((y - ridge) / 4)
    floor = front + (middle - front) * to_middle
    floor = floor + (back - floor) * to_back
    petrous = np.exp(-(((y - ridge) / 8) ** 2)) * sigmoid((lateral - 14) / 3)
    out: Array = floor + 20 * petrous * (1 - 0.5 * sigmoid((lateral - 50) / 5))
    return out


def cavity_depth(p: Points) -> Array:
    """Depth (mm, positive inside) under the inner surface of the skull."""
    wide = np.float32(1) + np.float32(0.0011) * p.y
    x, y, z = p.x / (68 * wide), p.y / 86, (p.z - 2) / np.where(p.z > 2, np.float32(71), np.float32(105))
    k0 = np.sqrt(x * x + y * y + z * z)
    x, y, z = x / 68, y / 86, z / np.where(p.z > 2, np.float32(71), np.float32(105))
    wall: Array = k0 * (1 - k0) / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-6))
    low = np.flatnonzero(p.z < 8)
    wall[low] = smooth_min(wall[low], p.z[low] - _floor(p.x[low], p.y[low]), 6)
    return wall


def midline_push(plan: HeadPlan, x: Array, y: Array, z: Array) -> Array:
    """How far (mm, towards +x) mass effect has moved the tissue now at each point; nothing at the skull."""
    centre = plan.rng(1).uniform(-12, 12)
    along = np.exp(-(((y - np.float32(centre)) / 48) ** 2) - ((z - 8) / 42) ** 2)
    across = np.clip(1 - (x / 68) ** 2, 0, 1)
    return np.float32(plan.shift) * along * across


def displaced_x(plan: HeadPlan, p: Points) -> Array:
    """The x that the tissue at each point had before mass effect."""
    moved: Array = p.x - midline_push(plan, p.x, p.y, p.z)
    return moved


def measure_shift(plan: HeadPlan) -> float:
    """Distance (mm) of the septum pellucidum, at the foramina of Monro, from where the falx is anchored."""
    x = np.linspace(-30, 30, 1201, dtype=np.float32)
    level = np.full_like(x, -14), np.full_like(x, 12)
    before = x - midline_push(plan, x, *level)
    return float(x[np.argmin(np.abs(before))]) * plan.scale[0]
