"""Verdicts of a whole index at once: what `screen` would say of every stored margin, images out of domain aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.scoring.own_calibration import AcceptedFrom
from radseek.retrieval.scoring.states import ABSENT_UNDER, PRESENT_OVER, Answer, Judge, Seen, State, conformal_state
from radseek.retrieval.scoring.stored_margins import StoredMargins

__all__ = ["STATES", "StoredAnswers", "stored_answers"]

STATES: Final[tuple[State, ...]] = get_args(State)


@dataclass(frozen=True, slots=True, eq=False)
class StoredAnswers:
    """Of N studies and F findings the `probabilities (N, F)` float64, NaN where nobody calibrated, and the states.

    `states (N, F)` int8 are places in `STATES`. `own (F,)`: whether the index's own calibration answered for a finding
    at all.
    """

    probabilities: NDArray[np.float64]
    states: NDArray[np.int8]
    own: tuple[bool, ...]


def stored_answers(
    margins: StoredMargins, judge: Judge, has_modality: NDArray[np.bool_], is_phantom: NDArray[np.bool_]
) -> StoredAnswers:
    """Return what may be said of stored margins.

    Args:
        margins: of N studies and F findings.
        judge: of the encoder that built the index, and of the index's calibration.
        has_modality: `(N,)`: whether somebody said what kind of images a study is of.
        is_phantom: `(N,)`.
    """
    probabilities = np.full(margins.margins.shape, np.nan)
    states = np.full(margins.margins.shape, STATES.index("abstain"), np.int8)
    own = []
    for column, finding in enumerate(margins.findings):
        by_labels = False
        for rows, seen in _alike(margins, column, has_modality, is_phantom):
            answer = judge.answer(finding, seen)
            said, state = _called(answer, margins.margins[rows, column].astype(np.float64))
            probabilities[rows, column], states[rows, column] = said, state
            by_labels = by_labels or answer.accepted is not None
        own.append(by_labels)
    return StoredAnswers(probabilities, states, tuple(own))


def _alike(
    margins: StoredMargins, column: int, has_modality: NDArray[np.bool_], is_phantom: NDArray[np.bool_]
) -> list[tuple[NDArray[np.intp], Seen]]:
    """Return the rows that were read in the same way, for one finding; those without a view are left out."""
    view = margins.view[:, column].astype(np.int64)
    many = margins.slices[:, column] > 1
    code = ((view * 2 + many) * 2 + has_modality) * 2 + is_phantom
    found = []
    for one in np.unique(code[view >= 0]).tolist():
        seen = Seen(margins.views[one // 8], bool(one // 4 % 2), bool(one // 2 % 2), bool(one % 2))
        found.append((np.flatnonzero((code == one) & (view >= 0)), seen))
    return found


def _called(answer: Answer, margins: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return probabilities and states of margins `(n,)` that one answer is for."""
    if answer.map is None:
        state = answer.verdict(0.0).state
        return np.full(len(margins), np.nan), np.full(len(margins), STATES.index(state), np.int8)
    said = answer.map.of(margins)
    return said, _states(said, answer.accepted)


def _states(said: NDArray[np.float64], accepted: AcceptedFrom | None) -> NDArray[np.int8]:
    present, absent, uncertain = (STATES.index(name) for name in ("present", "absent", "uncertain"))
    if accepted is None:
        called = np.where(said >= PRESENT_OVER, present, np.where(said <= ABSENT_UNDER, absent, uncertain))
        return called.astype(np.int8)
    names: Sequence[State] = [conformal_state(float(one), accepted) for one in said]
    return np.array([STATES.index(one) for one in names], np.int8)
