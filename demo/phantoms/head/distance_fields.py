"""Signed distances and band-limited noise at scattered points: what heads are drawn with.

Every function takes coordinates in millimetres as float32 arrays of one shape and gives an array of that shape.
Distances are negative inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from radseek.demo.phantoms.random_fields import coverage

__all__ = ["Array", "NoiseBank", "chain", "ellipsoid", "sigmoid", "smooth_min", "soft"]

Array = NDArray[Any]  # float32 when run; numpy's stubs widen float32 with a Python float to float64
Triple = tuple[float, float, float]

_EPSILON = 1e-6


class NoiseBank:
    """One periodic block of band-limited noise (unit variance), read at any scale and from many places.

    Reading from another `slot` is reading elsewhere in the block, so fields of different slots look unrelated.
    """

    def __init__(self, rng: np.random.Generator, size: int = 64, cycles: int = 8) -> None:
        white = rng.standard_normal((size, size, size), dtype=np.float32)
        axis = np.fft.fftfreq(size, 1 / size).astype(np.float32)
        half = np.arange(size // 2 + 1, dtype=np.float32)
        radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + half[None, None, :] ** 2)
        spectrum = fft.rfftn(white) * np.exp(-(((radius - cycles) / (0.35 * cycles)) ** 2))
        self._sheets = _sheet_distance(fft.irfftn(spectrum, s=white.shape).astype(np.float32))
        block = fft.irfftn(_padded(spectrum, 2 * size), s=(2 * size,) * 3).astype(np.float32)
        self._block = (block / block.std()).ravel()
        self._size, self._per_wave = size, size / cycles
        self._offsets = rng.uniform(0, size, (64, 3)).astype(np.float32)

    def at(self, x: Array, y: Array, z: Array, wavelength: float, slot: int) -> Array:
        """The field of one slot with features one `wavelength` (mm) apart; unit variance.

        The nearest of 16 samples a wavelength is read, four times as fast as interpolating.
        """
        scale = np.float32(2 * self._per_wave / wavelength)
        size = 2 * self._size
        place = np.zeros(x.shape, np.int32)
        for p, shift in zip((z, y, x), self._offsets[slot], strict=True):
            place *= size
            place += (p * scale + np.float32(2 * shift + 64 * size)).astype(np.int32) & (size - 1)
        found: Array = self._block[place]
        return found

    def sheet(self, x: Array, y: Array, z: Array, wavelength: float, slot: int) -> Array:
        """Distance (mm) to the crumpled sheets where the field is zero."""
        shift = self._offsets[slot]
        scale = np.float32(self._per_wave / wavelength)
        where = np.stack([z * scale + shift[0], y * scale + shift[1], x * scale + shift[2]])
        found = ndimage.map_coordinates(self._sheets, where, order=1, mode="grid-wrap", output=np.float32)
        distance: Array = np.abs(found) / scale
        return distance


def _padded(spectrum: NDArray[np.complex64], size: int) -> NDArray[np.complex64]:
    """The half spectrum of a cube in a larger one: the same field, more finely sampled."""
    low = spectrum.shape[0] // 2
    out = np.zeros((size, size, size // 2 + 1), np.complex64)
    for rows in (slice(0, low), slice(-low, None)):
        for columns in (slice(0, low), slice(-low, None)):
            out[rows, columns, :low] = spectrum[rows, columns, :low]
    return out


def _sheet_distance(block: Array) -> Array:
    """Signed distance, in samples and to first order, to where the block is zero."""
    slopes = [(np.roll(block, -1, k) - np.roll(block, 1, k)) / 2 for k in range(3)]
    slope = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
    distance: Array = block / np.maximum(slope, 0.35 * slope.mean())
    return distance


def ellipsoid(x: Array, y: Array, z: Array, centre: Triple, radii: Triple) -> Array:
    """Approximate signed distance to an ellipsoid's surface (first order, exact on the surface)."""
    a, b, c = ((p - np.float32(m)) / np.float32(r) for p, m, r in zip((x, y, z), centre, radii, strict=True))
    k0 = np.sqrt(a * a + b * b + c * c)
    a, b, c = (p / np.float32(r) for p, r in zip((a, b, c), radii, strict=True))
    k1 = np.sqrt(a * a + b * b + c * c) + np.float32(_EPSILON)
    distance: Array = k0 * (k0 - 1) / k1
    return distance


def chain(x: Array, y: Array, z: Array, points: Sequence[tuple[float, float, float, float]]) -> Array:
    """Signed distance to a tube through `points` (x, y, z, radius), the radius running linearly between them."""
    best = np.full(x.shape, np.inf, np.float32)
    for (ax, ay, az, ar), (bx, by, bz, br) in pairwise(points):
        dx, dy, dz = bx - ax, by - ay, bz - az
        length = dx * dx + dy * dy + dz * dz
        px, py, pz = x - np.float32(ax), y - np.float32(ay), z - np.float32(az)
        t = np.clip((px * dx + py * dy + pz * dz) / np.float32(length), 0, 1)
        px, py, pz = px - t * dx, py - t * dy, pz - t * dz
        distance = np.sqrt(px * px + py * py + pz * pz) - (np.float32(ar) + t * (br - ar))
        np.minimum(best, distance, out=best)
    return best


def sigmoid(value: Array) -> Array:
    """Logistic function, without overflow."""
    out: Array = 0.5 + 0.5 * np.tanh(0.5 * value)
    return out


def smooth_min(a: Array, b: Array, radius: float) -> Array:
    """The smaller of two distances, the crease rounded over `radius` mm."""
    h = np.clip(0.5 + 0.5 * (b - a) / np.float32(radius), 0, 1)
    out: Array = b + (a - b) * h - np.float32(radius) * h * (1 - h)
    return out


def soft(distance: Array, width: float) -> Array:
    """Share of a voxel inside a boundary that fades over `width` mm: 1 deep inside, 0.5 on it."""
    share: Array = coverage(distance, width)
    return share
