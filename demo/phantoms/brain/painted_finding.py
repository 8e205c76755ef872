"""A finding as painted, before it is put on the scan's grid: which points, where in words, what else is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.head.distance_fields import Array
from radseek.demo.phantoms.head.tissue_layers import to_grid
from radseek.demo.phantoms.phantom import Lesion, Side

__all__ = ["Draft", "longest_axial_mm", "side_of", "to_lesion"]


@dataclass(frozen=True, eq=False)
class Draft:
    """One finding on the brain's points: `share` (0 to 1) of each point that it takes."""

    finding: str
    side: Side
    location: str
    share: Array
    details: Mapping[str, str | float] = field(default_factory=dict)


def side_of(sign: int) -> Side:
    """+1 is the patient's left, -1 the right, 0 the midline."""
    return "left" if sign > 0 else "right" if sign < 0 else "midline"


def longest_axial_mm(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> float:
    """Longest extent (mm) within any one axial slice, over 18 directions."""
    z, y, x = np.nonzero(mask)
    if not z.size:
        return 0.0
    longest = 0.0
    angles = np.arange(18) * (np.pi / 18)
    for level in np.unique(z):
        here = z == level
        along = np.outer(np.cos(angles), x[here] * spacing[2]) + np.outer(np.sin(angles), y[here] * spacing[1])
        longest = max(longest, float(np.ptp(along, axis=1).max()) + spacing[1])
    return longest


def to_lesion(
    draft: Draft, index: NDArray[np.int64], shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> Lesion:
    """The draft on the scan's grid, measured there."""
    share = to_grid(index, draft.share, shape, 0.0)
    mask = share >= min(0.5, max(0.5 * float(share.max()), 0.05))  # thin things never fill a thick slice
    size = longest_axial_mm(mask, spacing)
    volume = float(mask.sum()) * float(np.prod(spacing)) / 1000
    return Lesion(draft.finding, draft.side, draft.location, round(size, 1), round(volume, 2), mask, draft.details)
