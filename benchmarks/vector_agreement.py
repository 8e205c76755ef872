"""How far vectors agree with a reference's, and how far from one another they are: alike ones would agree anyhow."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["least_cosine", "spread"]


def least_cosine(ours: Any, theirs: Any) -> float:
    """Return the least cosine of a row of ours with the same row of theirs, unit rows `(N, D)`."""
    return float((ours.astype(np.float64) * theirs).sum(axis=1).min())


def spread(rows: Any) -> float:
    """Return the median distance of two rows' cosine from 1."""
    cosines = rows @ rows.T
    return float(1 - np.median(cosines[~np.eye(len(rows), dtype=bool)]))
