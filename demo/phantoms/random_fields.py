"""Grids, smooth random fields, particles and scanner noise, shared by every phantom.

Everything is float32 on a regular grid in patient LPS millimetres, arrays `(Z, Y, X)`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["Array", "Grid", "ball", "coverage", "ramp_noise", "smooth_noise", "splat", "stream"]

Array = NDArray[np.float32]


def stream(seed: int, name: str) -> np.random.Generator:
    """An independent random stream per purpose, so that one choice never shifts another."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Voxel centres: `origin` of voxel (0, 0, 0) and `step`, mm, both (x, y, z); `size` voxels (X, Y, Z)."""

    origin: tuple[float, float, float]
    step: tuple[float, float, float]
    size: tuple[int, int, int]

    def axis(self, k: int) -> Array:
        """Coordinates along x (0), y (1) or z (2)."""
        return (self.origin[k] + self.step[k] * np.arange(self.size[k])).astype(np.float32)

    def axes(self) -> tuple[Array, Array, Array]:
        """Coordinates x `(1, 1, X)`, y `(1, Y, 1)`, z `(Z, 1, 1)`, ready to broadcast."""
        x, y, z = (self.axis(k) for k in range(3))
        return x[None, None, :], y[None, :, None], z[:, None, None]

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(Z, Y, X)`."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(np.prod(self.step)) / 1000.0

    @property
    def affine(self) -> NDArray[np.float64]:
        """`affine @ (x, y, z, 1)` is LPS millimetres."""
        matrix = np.diag([*self.step, 1.0])
        matrix[:3, 3] = self.origin
        return matrix

    def index(self, points: NDArray[np.floating]) -> NDArray[np.intp]:
        """Nearest voxel `(N, 3)` as (z, y, x) of points `(N, 3)` (x, y, z), clipped to the grid."""
        ijk = np.rint((points - np.array(self.origin)) / np.array(self.step)).astype(np.intp)
        return np.asarray(np.clip(ijk, 0, np.array(self.size) - 1)[:, ::-1], np.intp)

    def box(self, centre: NDArray[np.floating], radius: float) -> tuple[slice, slice, slice]:
        """Slices `(z, y, x)` of the voxels within `radius` mm of `centre`, per axis."""
        spans = []
        for k in (2, 1, 0):
            low = int(np.floor((centre[k] - radius - self.origin[k]) / self.step[k]))
            high = int(np.ceil((centre[k] + radius - self.origin[k]) / self.step[k])) + 1
            spans.append(slice(min(max(low, 0), self.size[k]), min(max(high, 0), self.size[k])))
        return spans[0], spans[1], spans[2]


def _interpolation(n: int, step: float, scale: float, phase: float) -> Array:
    """`(n, coarse)` weights that rise and fall smoothly between coarse knots `scale` mm apart."""
    position = np.arange(n) * step / scale + phase
    left = np.floor(position).astype(int)
    weight = position - left
    weight = weight * weight * (3 - 2 * weight)
    matrix = np.zeros((n, int(left[-1]) + 2), np.float32)
    matrix[np.arange(n), left] = 1 - weight
    matrix[np.arange(n), left + 1] = weight
    return matrix


def smooth_noise(rng: np.random.Generator, grid: Grid, scale_mm: float) -> Array:
    """Noise of about unit variance that changes over `scale_mm`, by interpolating a coarse random lattice."""
    mx, my, mz = (_interpolation(grid.size[k], grid.step[k], scale_mm, float(rng.random())) for k in range(3))
    coarse = rng.standard_normal((mz.shape[1], my.shape[1], mx.shape[1]), dtype=np.float32)
    field = np.tensordot(mz, coarse @ mx.T, axes=(1, 0))  # (Z, y, X)
    return np.asarray(np.matmul(my, field) * np.float32(1.6), np.float32)


def splat(
    grid: Grid, points: NDArray[np.floating], *weights: NDArray[np.floating]
) -> tuple[tuple[slice, slice, slice], list[Array]]:
    """Volumes (mm3) at `points (N, 3)` shared among the 8 voxels round each, as occupancy.

    Returns the box `(z, y, x)` that holds them and one array a set of weights, of the box's shape. The linear
    share is also the slice profile: what is thinner than a slice fades as it would in a scan.
    """
    position = ((points - np.array(grid.origin)) / np.array(grid.step)).astype(np.float32)
    inside = ((position >= 0) & (position < np.array(grid.size, np.float32) - 1)).all(axis=1)
    if not inside.any():
        return (slice(0, 0), slice(0, 0), slice(0, 0)), [np.zeros((0, 0, 0), np.float32) for _ in weights]
    position = position[inside]
    base = position.astype(np.int32)
    fx, fy, fz = (position - base).T
    low, high = base.min(axis=0), base.max(axis=0) + 2
    width, rows, depth = (int(v) for v in high - low)
    cell = (base[:, 0] - low[0]) + width * ((base[:, 1] - low[1]) + rows * (base[:, 2] - low[2]))
    steps = (0, 1, width, width + 1, width * rows, width * rows + 1, width * (rows + 1), width * (rows + 1) + 1)
    gx, gy, gz = 1 - fx, 1 - fy, 1 - fz
    near, far = (gy * gz, fy * gz), (gy * fz, fy * fz)
    shares = (
        gx * near[0],
        fx * near[0],
        gx * near[1],
        fx * near[1],
        gx * far[0],
        fx * far[0],
        gx * far[1],
        fx * far[1],
    )
    cells, share = np.concatenate([cell + k for k in steps]), np.concatenate(shares)
    totals = []
    for weight in weights:
        mass = np.tile(weight[inside].astype(np.float32), 8) * share
        total = np.bincount(cells, mass, minlength=width * rows * depth).astype(np.float32)
        totals.append((total / np.float32(np.prod(grid.step))).reshape(depth, rows, width))
    box = (slice(int(low[2]), int(high[2])), slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
    return box, totals


def coverage(distance: Array, width: float) -> Array:
    """Occupancy from a signed distance (mm, negative inside) for an edge `width` mm wide."""
    return np.asarray(np.clip(0.5 - distance / np.float32(width), 0, 1), np.float32)


def ball(grid: Grid, box: tuple[slice, slice, slice], centre: NDArray[np.floating]) -> tuple[Array, Array, Array]:
    """Offsets from `centre` in mm within `box`, to broadcast: dx, dy, dz."""
    x, y, z = (grid.axis(k) - np.float32(centre[k]) for k in range(3))
    return x[box[2]][None, None, :], y[box[1]][None, :, None], z[box[0]][:, None, None]


def ramp_noise(rng: np.random.Generator, shape: tuple[int, int, int], sharpness: float) -> Array:
    """Unit-variance noise with the texture of filtered back-projection, slice by slice.

    Power rises as a ramp and is cut by the kernel: exp(-(f / sharpness)^2), f in cycles a pixel.
    """
    _, rows, columns = shape
    fy, fx = scipy.fft.fftfreq(rows)[:, None], scipy.fft.rfftfreq(columns)[None, :]
    f = np.hypot(fy, fx)
    gain = (np.sqrt(f + 0.01) * np.exp(-((f / sharpness) ** 2))).astype(np.float32)
    white = rng.standard_normal(shape, dtype=np.float32)
    noise = scipy.fft.irfft2(scipy.fft.rfft2(white) * gain, s=(rows, columns)).astype(np.float32)
    return np.asarray(noise / noise.std(), np.float32)
