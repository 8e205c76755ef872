"""A measure with its 95 % interval: what every function of this room gives back, and how its ends are found.

Percentiles of resamples are the usual interval. Where a share near 1 rests on few patients, resamples are skewed, and a
little too close to one another: with 15 positive patients percentiles hold an AUROC of 0.9 in nine cases of ten. On the
logit scale the skew is gone, and Student's t with as many degrees of freedom as there are patients of the rarer label,
less one, makes up for the closeness (`benchmarks/bootstrap_coverage.py` prints both). A calibration error has no such
scale: corrected for what noise adds to it, its interval holds the truth in about nine cases of ten; percentiles may in
one of four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtrit

__all__ = ["Ends", "Estimate", "estimate_of", "reach"]

Ends = Literal["share", "difference", "error", "percentile"]
_PERCENTILES: Final = (2.5, 97.5)
_TAIL: Final = 0.975


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its 95 % interval, over `count` observations of `patients` patients.

    `left_out`: how many resamples could not be measured (one class only, or nothing called present) and are not in the
    interval. A measure that the whole sample does not allow is NaN, and so are its ends.
    """

    value: float
    low: float
    high: float
    count: int
    patients: int
    left_out: int = 0

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate_of(
    values: NDArray[np.float64], count: int, patients: int, ends: Ends = "share", *, rarer: int | None = None
) -> Estimate:
    """Return the estimate whose value is the first of `values (1 + R,)`, the rest being those of R resamples.

    Args:
        values: the whole sample's first, NaN where a resample cannot be measured.
        count: observations.
        patients: whose they are.
        ends: `share`, of what lies between 0 and 1: `reach(rarer)` standard deviations of the resamples on the logit
            scale, half an observation short of 0 and 1; where value and resamples are all 0 or all 1, the far end is
            the exact one of as many patients without an exception (Clopper & Pearson 1934), for an AUROC wider than
            need be. `difference`: the same on the scale as it is. `error`, of what is 0 at best and which noise makes
            larger, in the sample and in each resample again: the same about the value less what resampling adds to it
            (Davison & Hinkley 1997, 5.2), not below 0, the value always inside. `percentile`: as the resamples lie
            (Efron & Tibshirani 1993, chapter 13).
        rarer: how many patients the rarer of two labels has; None: all count alike.
    """
    value, drawn = float(values[0]), values[1:][~np.isnan(values[1:])]
    low = high = float("nan")
    if not np.isnan(value) and len(drawn):
        low, high = _ends(value, drawn, patients if rarer is None else rarer, 0.5 / max(count, 1), ends)
    return Estimate(value, low, high, count, patients, len(values) - 1 - len(drawn))


def reach(patients: int) -> float:
    """Return how many standard errors of a mean over `patients` lie on either side of a 95 % interval."""
    return float(stdtrit(max(patients - 1, 1), _TAIL))


def _ends(value: float, drawn: NDArray[np.float64], patients: int, short: float, ends: Ends) -> tuple[float, float]:
    errors = reach(patients)
    if ends == "share" and value in (0, 1) and np.all(drawn == value):
        far = float((1 - _TAIL) ** (1 / max(patients, 1)))
        return (far, 1.0) if value else (0.0, 1 - far)
    if ends == "share":
        middle, spread = (logit(np.clip(one, short, 1 - short)) for one in (value, drawn))
        far = errors * float(np.std(spread))
        return min(float(expit(middle - far)), value), max(float(expit(middle + far)), value)
    if ends == "difference":
        far = errors * float(np.std(drawn))
        return value - far, value + far
    if ends == "error":
        middle, far = 2 * value - float(np.mean(drawn)), errors * float(np.std(drawn))
        return max(min(middle - far, value), 0.0), max(middle + far, value)
    low, high = np.percentile(drawn, _PERCENTILES)
    return float(low), float(high)
