"""Split-conformal prediction of present and absent, label by label: how far a probability may go and be believed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.scoring.own_calibration import AcceptedFrom

__all__ = ["accepted", "conformal_rank", "conformal_thresholds"]


def conformal_rank(count: int, coverage: float) -> int | None:
    """Return which of `count` sorted scores is the threshold, `ceil((n + 1) * coverage)`, from 1; None beyond the last.

    Of a further case like them, at least that share is within it, for any distribution and any n (Vovk 2012; Lei et al.
    2018). Beyond the last there are too few cases to reject anything at this coverage.
    """
    rank = math.ceil(round((count + 1) * coverage, 9))  # 0.9 * 10 is nine, whatever its last bit
    return rank if rank <= count else None


def conformal_thresholds(labels: ArrayLike, probabilities: ArrayLike, coverage: float) -> AcceptedFrom:
    """Return the thresholds of both labels (Mondrian: each from the studies that bear it).

    Args:
        labels: `(N,)` in 0, 1, of studies that fitted nothing.
        probabilities: `(N,)`, of present.
        coverage: the share of each label's studies whose label is not rejected, between 0 and 1.

    Returns:
        Probabilities from which up `present` is not rejected, and up to which `absent` is not.
    """
    truth, said = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    present, absent = np.sort(said[truth == 1])[::-1], np.sort(said[truth == 0])
    high, low = conformal_rank(len(present), coverage), conformal_rank(len(absent), coverage)
    return AcceptedFrom(
        present=0.0 if high is None else float(present[high - 1]),
        absent=1.0 if low is None else float(absent[low - 1]),
    )


def accepted(thresholds: AcceptedFrom, labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.bool_]:
    """Return of each study `(N,)` whether its own label is not rejected."""
    truth, said = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    return np.asarray(np.where(truth == 1, said >= thresholds.present, said <= thresholds.absent), np.bool_)
