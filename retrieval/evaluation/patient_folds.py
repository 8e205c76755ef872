"""Folds of labelled studies in which no patient is on both sides, each with its share of both labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fold", "owners_of", "patient_folds", "patients_with"]

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to fit on, rows held out


def owners_of(patients: Sequence[str]) -> NDArray[np.intp]:
    """Return the number of each row's patient `(N,)`, 0 for the first in the order of names."""
    return np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1].reshape(-1)


def patients_with(labels: NDArray[np.int8], owners: NDArray[np.intp]) -> int:
    """Return how many patients have label 1, or how many have label 0, whichever are fewer."""
    return min(len(np.unique(owners[labels == value])) for value in (0, 1))


def patient_folds(labels: NDArray[np.int8], owners: NDArray[np.intp], most: int, seed: int) -> list[Fold]:
    """Return up to `most` folds over patients, as many as the rarer label has patients; none for fewer than two.

    scikit-learn's StratifiedGroupKFold, seeded. A fold whose rows to fit on have one label alone is left out.
    """
    count = min(most, patients_with(labels, owners))
    if count < 2:
        return []
    from sklearn.model_selection import StratifiedGroupKFold  # late: seconds

    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels[:, None], labels, owners)
    return [(fit, held) for fit, held in folds if len(np.unique(labels[fit])) == 2]
