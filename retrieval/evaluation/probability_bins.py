"""Probabilities sorted into bins, of equal width or of equal mass: the reliability table and the calibration error.

Equal width is what most papers print (Naeini 2015), and it leaves bins nearly empty where a finding is rare; equal mass
puts the same number of cases into each (Nguyen & O'Connor 2015). Both errors grow as cases become fewer, even for
perfect probabilities.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError

__all__ = ["BINS", "Binning", "bin_places", "check_probabilities"]

BINS: Final = 10
Binning = Literal["width", "mass"]


def check_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return `probabilities` as numbers; raises `UsageError` where one is NaN or lies outside 0 to 1."""
    said = np.asarray(probabilities, np.float64)
    if not ((said >= 0) & (said <= 1)).all():
        raise UsageError("A probability lies outside 0 to 1; pass calibrated probabilities, not margins.")
    return said


def bin_places(probabilities: NDArray[np.float64], binning: Binning = "width", *, bins: int = BINS) -> NDArray[np.intp]:
    """Return which bin each of `probabilities (N,)` falls into, from 0.

    Args:
        probabilities: between 0 and 1.
        binning: `width`: bin b holds b / bins up to (b + 1) / bins, the last one 1 as well. `mass`: between the
            quantiles b / bins and (b + 1) / bins; equal probabilities share a bin, so that some may be empty.
        bins: how many.
    """
    if binning == "width" or not len(probabilities):
        return np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    inner = np.quantile(probabilities, np.arange(1, bins) / bins)
    return np.searchsorted(inner, probabilities, side="right")
