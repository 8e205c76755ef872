"""Similar cases less what a reader refused: "not like this" pushes back what is nearer to it than others are.

Rocchio's negative feedback (The SMART Retrieval System, 1971, 313-323) on rankings: from a case's similarity to the
query is taken half of its similarity to the refused case most like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.app.session import Session
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.search.search_results import SimilarResult, SimilarRow

__all__ = ["CANDIDATES", "without_refused"]

CANDIDATES: Final = 50  # cases that are ranked anew
_WEIGHT: Final = 0.5


def without_refused(session: Session, found: SimilarResult, refused: Sequence[str], k: int) -> SimilarResult:
    """Rank cases anew, further from some than before.

    Args:
        session: whose archive they are of.
        found: an answer of more than `k` cases (`CANDIDATES`).
        refused: keys of studies that the reader refused; they are left out themselves.
        k: how many cases to return.

    Returns:
        The answer with its `k` best cases; their scores are still their similarities to the query.
    """
    against = [_views(session, key) for key in refused]
    kept = [row for row in found.results if row.study not in refused]

    def standing(row: SimilarRow) -> float:
        own = _views(session, row.study)
        alike = [value for other in against if (value := _alike(own, other)) is not None]
        return row.score - _WEIGHT * max(alike, default=0.0)

    best = sorted(kept, key=lambda row: (-standing(row), row.rank))[:k] if refused else kept[:k]
    return replace(found, results=tuple(replace(row, rank=rank) for rank, row in enumerate(best, 1)))


def _views(session: Session, key: str) -> dict[str, NDArray[np.float32]]:
    """Return a study's pooled views by name; {} for one that is gone."""
    try:
        views = session.vectors(key).views
    except UnknownNameError:
        return {}
    return {view.view: np.asarray(view.pooled, np.float32) for view in views}


def _alike(one: dict[str, NDArray[np.float32]], other: dict[str, NDArray[np.float32]]) -> float | None:
    """Return the mean cosine over the views that both have; None where they share none."""
    shared = [float(one[name] @ other[name]) for name in one if name in other]
    return sum(shared) / len(shared) if shared else None
