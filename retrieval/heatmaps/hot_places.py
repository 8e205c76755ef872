"""Where a heat map is hot, measured where it can be: outside the body, or on metal. CT in Hounsfield units only.

A map that is hot there shows what the encoder looked at, not where a finding is: a table, a lead, a pacemaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["HotPlaces", "body_of", "hot_places"]

_TISSUE: Final = -400.0  # HU: above it is body rather than air; lungs lie inside and are filled
_METAL: Final = 2500.0  # HU: denser than any bone
_AROUND: Final = 3  # pixels about metal, where it streaks
_HOT: Final = 0.5  # of the map's peak


@dataclass(frozen=True, slots=True)
class HotPlaces:
    """Of the area in which a map is at least half as high as its peak, the shares outside the body and on metal."""

    outside: float
    metal: float


def hot_places(heat: NDArray[np.floating[Any]], hu: NDArray[Any]) -> HotPlaces | None:
    """Measure where a map of one slice is hot.

    Args:
        heat: `(H, W)`, NaN where the encoder saw nothing.
        hu: `(H, W)`, the same slice in Hounsfield units.

    Returns:
        The shares, 0 to 1; None where the map is nowhere above zero, or the slice holds no body.
    """
    known = np.nan_to_num(heat, nan=0.0)
    peak, body = float(known.max(initial=0.0)), body_of(hu)
    if peak <= 0 or not body.any():
        return None
    hot = known >= _HOT * peak
    metal = ndimage.binary_dilation(hu > _METAL, iterations=_AROUND) if (hu > _METAL).any() else np.zeros_like(body)
    return HotPlaces(float((hot & ~body).sum() / hot.sum()), float((hot & metal).sum() / hot.sum()))


def body_of(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the body in a slice: the largest connected tissue after thin bridges are cut, with what it encloses.

    Args:
        hu: `(H, W)` in Hounsfield units.

    Returns:
        `(H, W)`; nothing where there is no tissue.
    """
    tissue = ndimage.binary_opening(hu > _TISSUE, iterations=2)  # the table's thin shells go
    labels, count = ndimage.label(tissue)
    if not count:
        return np.zeros(hu.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = ndimage.binary_dilation(labels == sizes.argmax(), iterations=2)
    return np.asarray(ndimage.binary_fill_holes(body), bool)
