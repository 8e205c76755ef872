"""Resamples of whole patients, drawn once and shared by every measure.

Two images of one person are not two independent observations; an interval that resamples images is too narrow
(Rutter 2000; `benchmarks/bootstrap_coverage.py`). A draw is kept as how often each patient came, not as a list of rows:
sums over all draws are then one matrix product, and a ranking is sorted once and weighted anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.estimate import Ends, Estimate, estimate_of

__all__ = ["PatientDraws", "Patients", "mean_estimates", "owners", "patient_draws"]

Patients = Sequence[Any] | NDArray[Any]  # whose each row is: anything whose text tells one from another
_BLOCK: Final = 64  # draws at a time: a block of 5,000 rows stays in a processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class PatientDraws:
    """R resamples of P patients who own N rows.

    `counts (1 + R, P)` uint8: how often each patient came; the first is the sample itself, each once. `owner (N,)`:
    whose each row is, as a column of `counts`.
    """

    counts: NDArray[np.uint8]
    owner: NDArray[np.intp]

    @property
    def patients(self) -> int:
        """How many patients there are."""
        return int(self.counts.shape[1])

    def weights(self, rows: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Yield blocks of draws: which, and how often each of `rows (n,)` came, `(draws, n)`."""
        owner = self.owner[rows]
        for block in self._blocks():
            yield block, self.counts[block].take(owner, axis=1).astype(np.int32)

    def sums(self, columns: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sums of `columns (N, C)` over the rows of every draw: `(1 + R, C)`."""
        order = np.argsort(self.owner, kind="stable")
        starts = np.searchsorted(self.owner[order], np.arange(self.patients))
        totals = np.add.reduceat(np.asarray(columns, np.float64)[order], starts, axis=0)
        found = np.empty((len(self.counts), totals.shape[1]))
        for block in self._blocks():
            found[block] = self.counts[block].astype(np.float64) @ totals
        return found

    def rarer(self, ill: NDArray[np.bool_], well: NDArray[np.bool_]) -> int:
        """Return how many patients own the rows of either mark `(N,)`, whichever are fewer."""
        return min(self.owners_of(ill), self.owners_of(well))

    def owners_of(self, rows: NDArray[np.bool_]) -> int:
        """Return how many patients own the rows marked in `rows (N,)`."""
        return int(np.count_nonzero(np.bincount(self.owner[rows], minlength=self.patients)))

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + _BLOCK) for start in range(0, len(self.counts), _BLOCK))


def patient_draws(patients: Patients, *, repeats: int = 1000, seed: int = 0) -> PatientDraws:
    """Draw patients with replacement, as many as there are.

    The order of rows changes nothing, for patients are put in the order of their names.

    Args:
        patients: whose each row is, `(N,)`.
        repeats: R, how many resamples.
        seed: the same seed draws the same patients.

    Raises:
        UsageError: there is no row.
    """
    owner = owners(patients)
    if not len(owner):
        raise UsageError("There is nothing to measure: no rows were given. Check that labels and scores match.")
    size = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    # A byte is enough: that one patient comes 256 times among as many has a probability under 1e-500.
    counts = np.ones((1 + repeats, size), np.uint8)
    for row in counts[1:]:
        row[:] = np.bincount(rng.integers(size, size=size), minlength=size)
    return PatientDraws(counts, owner)


def owners(patients: Patients) -> NDArray[np.intp]:
    """Return the number of each row's patient `(N,)`, from 0 in the order of their names."""
    found: NDArray[np.intp] = np.unique(np.asarray([str(one) for one in patients]), return_inverse=True)[1]
    return found


def mean_estimates(values: ArrayLike, draws: PatientDraws, ends: Ends = "share") -> list[Estimate]:
    """Return the mean of each column of `values (N, C)` over its rows that are not NaN, patients resampled.

    `ends`: how `estimate_of` finds the interval's.
    """
    table = np.asarray(values, np.float64)
    known = ~np.isnan(table)
    sums = draws.sums(np.hstack([np.where(known, table, 0.0), known]))
    width = table.shape[1]
    with np.errstate(invalid="ignore"):
        means = sums[:, :width] / sums[:, width:]
    return [estimate_of(means[:, c], int(known[:, c].sum()), draws.owners_of(known[:, c]), ends) for c in range(width)]
