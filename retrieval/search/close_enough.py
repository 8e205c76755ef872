"""Which cases are close enough to be shown as similar, and which are of another kind than the study asked about.

A case is close enough where its similarity reaches the floor of the query's kind of study and that of its own kind,
where there are such (`index.closeness`); one that is known to be of another kind, where neither has a floor, the lowest
of any kind's. The floor of a study of several views is the mean of theirs, 0 for a view that
has none, just as its similarity is the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from radseek.retrieval.document import json_row
from radseek.retrieval.imaging.modality import VIEW_OF_MODALITY
from radseek.retrieval.index.closeness import Closeness
from radseek.retrieval.index.store import Case
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.scoring.word_separation import Kind

__all__ = [
    "NothingClose",
    "case_floor",
    "case_kinds",
    "is_other_kind",
    "left_out_note",
    "lowest_floor",
    "query_floor",
    "query_kinds",
]


@dataclass(frozen=True, slots=True)
class NothingClose:
    """Nothing is close enough: the floor that the nearest case did not reach, and its similarity."""

    floor: float
    best: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return json_row(asdict(self))

    @property
    def note(self) -> str:
        """Return the sentence that says so."""
        return (
            f"Nothing close enough: the nearest case has a similarity of {self.best:.3f}, and studies of its kind that "
            f"have a relative in this index reach {self.floor:.3f}."
        )


def left_out_note(count: int) -> str:
    """Return the sentence that says how many cases lie under the floor."""
    cases = "1 of the nearest cases is" if count == 1 else f"{count} of the nearest cases are"
    return f"{cases} not shown: less like the study than studies of one kind are like each other in this index."


def query_kinds(query: StudyVectors) -> frozenset[Kind]:
    """Return the modality and body part of each of a study's series that has views."""
    return frozenset((one.modality, one.body_part) for one in query.series if one.views)


def case_kinds(case: Case) -> frozenset[Kind]:
    """Return the modality and body part of each of a stored study's series."""
    return frozenset((one.modality, one.body_part) for one in case.series)


def query_floor(query: StudyVectors, closeness: Closeness) -> float | None:
    """Return what a case must reach for a query of its kind; None where no view of it has a floor."""
    found = [closeness.of(one.modality, one.body_part, view.view) for one in query.series for view in one.views]
    return _mean(None if one is None else one.floor for one in found)


def case_floor(query: StudyVectors, kinds: Iterable[Kind], closeness: Closeness) -> float | None:
    """Return what a case of some kinds must reach, by the floors that its kinds have for the query's views.

    Of several kinds the lowest counts, since nobody says which of a case's series is compared.
    """
    of_view = {
        view: [limits.floor for kind in kinds if (limits := closeness.of(*kind, view)) is not None]
        for view in {view.view for view in query.views}
    }
    return _mean(min(of_view[view.view], default=None) for view in query.views)


def lowest_floor(query: StudyVectors, closeness: Closeness) -> float | None:
    """Return the lowest that any kind of study must reach in the query's views; None where no kind has a floor."""
    return case_floor(query, {(one.modality, one.body_part) for one in closeness.views}, closeness)


def is_other_kind(query: Iterable[Kind], case: Iterable[Kind]) -> bool | None:
    """Say whether a case is of another modality or body part; None where that of one of them is unknown.

    False as soon as two series are of one kind. Modalities that are shown alike (CR and DX) are one, and a scan of
    several parts ("chest_abdomen") is of each.
    """
    case = list(case)
    found = {_differ(one, other) for one in query for other in case}
    return False if False in found else None if None in found or not found else True


def _differ(one: Kind, other: Kind) -> bool | None:
    (modality, part), (other_modality, other_part) = one, other
    if modality and other_modality and _shown_as(modality) != _shown_as(other_modality):
        return True
    if part and other_part and not set(part.split("_")) & set(other_part.split("_")):
        return True
    return False if modality and other_modality and part and other_part else None


def _shown_as(modality: str) -> str:
    return VIEW_OF_MODALITY.get(modality, modality)


def _mean(floors: Iterable[float | None]) -> float | None:
    known = list(floors)
    if all(one is None for one in known):
        return None
    return float(np.mean([0.0 if one is None else one for one in known]))
