"""Which slices of a volume are looked at."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_GAP_MM", "MAX_SLICES", "choose_slices"]

MAX_GAP_MM: Final = 5.0
MAX_SLICES: Final = 160


def choose_slices(
    count: int, gap_mm: float | None, max_gap_mm: float = MAX_GAP_MM, most: int = MAX_SLICES
) -> NDArray[np.int32]:
    """Return the zero-based Z to read, `(N,)` rising: as few as keep 5 mm, at most 160, evenly spaced.

    `max_gap_mm` and `most` are for a recipe of an encoder's own.

    `gap_mm` is the distance between neighbouring slices, None where it is unknown (cine, frames without
    geometry): then all of them, up to 160. A step is the largest whole one that stays within 5 mm; what
    is left over is shared between both ends. Slices farther apart than 5 mm are all read.
    """
    # A thousandth of a step absorbs the rounding of headers: 1.66669 mm is a third of 5 mm.
    step = max(1, int(min(max_gap_mm / gap_mm + 1e-3, count))) if gap_mm and gap_mm > 0 else 1
    if -(-count // step) > most:
        return np.linspace(0, count - 1, most).round().astype(np.int32)
    return np.arange(((count - 1) % step) // 2, count, step, dtype=np.int32)
