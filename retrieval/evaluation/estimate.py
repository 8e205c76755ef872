"""A measure with its 95 % interval: what every function of this room gives back, and how its ends are found.

Percentiles of resamples are the usual interval. For a share near 1 that rests on few patients they are too narrow and
lie too low: with 15 positive patients they hold an AUROC of 0.9 in nine cases of ten (`benchmarks/bootstrap_coverage.py`).
Resamples are skewed there, and on the logit scale they are not; so the ends of shares are found on that scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

__all__ = ["Ends", "Estimate", "Z", "estimate_of"]

Ends = Literal["share", "difference", "error", "percentile"]
_PERCENTILES: Final = (2.5, 97.5)
Z: Final = float(norm.ppf(0.975))  # standard errors on either side of a 95 % interval


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


def estimate_of(values: NDArray[np.float64], count: int, patients: int, ends: Ends = "share") -> Estimate:
    """Return the estimate whose value is the first of `values (1 + R,)`, the rest being those of R resamples.

    Args:
        values: the whole sample's first, NaN where a resample cannot be measured.
        count: observations.
        patients: whose they are.
        ends: `share`, of what lies between 0 and 1: 1.96 standard deviations of the resamples on the logit scale, half
            an observation short of 0 and 1 (Efron & Tibshirani 1993, chapter 13; Pepe 2003, 5.3). `difference`: the
            same on the scale as it is. `error`, of what is 0 at best and which noise makes larger, in the sample and
            in each resample again: the percentiles turned about the value (the basic interval, Davison & Hinkley 1997,
            5.2), not below 0, the value always inside. `percentile`: as the resamples lie.
    """
    value, drawn = float(values[0]), values[1:][~np.isnan(values[1:])]
    low = high = float("nan")
    if not np.isnan(value) and len(drawn):
        low, high = _ends(value, drawn, 0.5 / max(count, 1), ends)
    return Estimate(value, low, high, count, patients, len(values) - 1 - len(drawn))


def _ends(value: float, drawn: NDArray[np.float64], short: float, ends: Ends) -> tuple[float, float]:
    if ends == "share":
        middle, spread = (logit(np.clip(one, short, 1 - short)) for one in (value, drawn))
        reach = Z * float(np.std(spread))
        return min(float(expit(middle - reach)), value), max(float(expit(middle + reach)), value)
    if ends == "difference":
        reach = Z * float(np.std(drawn))
        return value - reach, value + reach
    low, high = (float(one) for one in np.percentile(drawn, _PERCENTILES))
    if ends == "error":
        return max(2 * value - high, 0.0), max(2 * value - low, value)
    return low, high
