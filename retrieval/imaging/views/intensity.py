"""The range of grey levels that matters in a volume, where nobody wrote a window down."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MR_RULE",
    "PERCENTILES_HIGH",
    "PERCENTILES_LOW",
    "SAMPLE_VOXELS",
    "finite",
    "foreground",
    "not_finite",
    "percentile_window",
    "sample",
]

PERCENTILES_LOW: Final = 1.0
PERCENTILES_HIGH: Final = 99.5
MR_RULE: Final = "percentiles of voxels above Otsu's threshold, 256 bins from the minimum to percentile 99.9"
# Percentiles of more voxels than this are taken on a grid of them: 15 s for a large volume would be 0.2 s.
SAMPLE_VOXELS: Final = 1 << 22
_BINS: Final = 256
# Values beyond this are clipped, so that differences and ratios of float32 never overflow.
_LARGEST: Final = np.float32(1e37)


def finite(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return `voxels` with NaN and infinities replaced by the finite minimum, huge values clipped.

    Integers come back as they are; without one finite voxel the result is zeros. float64 becomes float32.
    """
    if voxels.dtype.kind != "f":
        return voxels
    with np.errstate(over="ignore"):
        voxels = voxels.astype(np.float32, copy=False)
    good = np.isfinite(voxels)
    if good.all():
        moderate = max(voxels.max(initial=0), -voxels.min(initial=0)) <= _LARGEST
        return voxels if moderate else np.clip(voxels, -_LARGEST, _LARGEST)
    floor = voxels.min(where=good, initial=np.inf)
    filled = np.where(good, voxels, floor if np.isfinite(floor) else np.float32(0))
    return np.clip(filled, -_LARGEST, _LARGEST, out=filled)


def not_finite(voxels: NDArray[Any]) -> int:
    """Return how many values of `voxels (Z, Y, X)` are NaN or infinite; counted slice by slice."""
    if voxels.dtype.kind != "f":
        return 0
    return sum(plane.size - int(np.count_nonzero(np.isfinite(plane))) for plane in voxels)


def sample(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return `voxels (Z, Y, X)`, or every n-th along each axis with the smallest n that leaves 4 million.

    The grid starts at the first voxel as displayed, so copies of a volume, however stored, agree.
    """
    step = 1
    while voxels[::step, ::step, ::step].size > SAMPLE_VOXELS:
        step += 1
    return voxels[::step, ::step, ::step]


def percentile_window(values: NDArray[Any]) -> tuple[float, float] | None:
    """Return `(level, width)` from percentile 1 to 99.5 of finite `values`; None where there is no spread."""
    if values.size == 0:
        return None
    low, high = (float(edge) for edge in np.percentile(values, (PERCENTILES_LOW, PERCENTILES_HIGH)))
    if not high > low:
        # Nearly all voxels are equal (a mask, a sparse map): the whole range, if there is one.
        low, high = float(values.min()), float(values.max())
    return ((low + high) / 2, high - low) if high > low else None


def foreground(values: NDArray[Any]) -> NDArray[Any]:
    """Return the finite `values`, flat, that lie above Otsu's threshold; all of them where none does.

    Otsu (1979): the threshold that maximises the variance between the two classes of the histogram,
    `(mu_T w(k) - mu(k))^2 / (w(k) (1 - w(k)))`. The histogram ends at percentile 99.9, so that one
    hot voxel cannot claim the foreground for itself.
    """
    flat = values.reshape(-1)
    if flat.size == 0:
        return flat
    low, high = float(flat.min()), float(np.percentile(flat, 99.9))
    if not high > low:
        return flat
    above = flat[flat > _otsu(flat, low, high)]
    return above if above.size else flat


def _otsu(flat: NDArray[Any], low: float, high: float) -> float:
    try:
        counts, edges = np.histogram(flat, bins=_BINS, range=(low, high))
    except ValueError:  # the range is narrower than 256 steps of its own precision
        return low
    share = counts / counts.sum()
    weight = np.cumsum(share)
    moment = np.cumsum(share * np.arange(_BINS))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * weight - moment) ** 2 / (weight * (1 - weight))
    best = int(np.argmax(np.nan_to_num(between, nan=0.0, posinf=0.0)))
    return float(edges[best + 1])
