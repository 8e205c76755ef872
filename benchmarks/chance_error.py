"""The calibration error that a perfect calibrator shows at a given number of answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from radseek.retrieval.evaluation.metrics import calibration_error

__all__ = ["chance_error"]


def chance_error(probabilities: ArrayLike, draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the error (ECE) where each answer is right as often as it says.

    Bins of few answers differ from their mean by chance, so no error of a small set can be 0.

    Args:
        probabilities: `(N,)` what was said, 0 to 1.
        draws: how many sets of answers are drawn from them.
        seed: of the draws.
    """
    said = np.asarray(probabilities, np.float64)
    drawn = np.random.default_rng(seed).random((draws, len(said))) < said
    errors = [calibration_error(one.astype(int), said) for one in drawn]
    return float(np.mean(errors)), float(np.percentile(errors, 95))
