"""Screens every stored study with the finding set that fits it: some at a time, reported step by step.

What was screened is kept in memory for the generation of the index that it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from threading import Lock
from typing import Final

from radseek.app.session import Session
from radseek.app.worklist import Screened, WorklistRow, sort_worklist, worklist_row
from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding
from radseek.prompts.set_choice import set_for
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.store import Case
from radseek.retrieval.scoring.screening import Screener
from radseek.retrieval.scoring.study_vectors import stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["ArchiveScreening", "fitting_set"]

_STUDIES_AT_ONCE: Final = 10  # studies scored before other visitors may ask
Progress = Callable[[int, int], None]  # studies done, of how many


class ArchiveScreening:
    """One for a session. `run` may be called by several visitors: the second waits for nothing and finds it done."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._edition: tuple[int, int | None] | None = None
        self._found: dict[str, tuple[Screened, ...]] = {}
        self._rows: dict[str, WorklistRow] = {}
        self._screener: tuple[Engine, Screener] | None = None
        self._guard = Lock()

    def run(self, progress: Progress = lambda done, total: None, stopped: Callable[[], bool] = lambda: False) -> None:
        """Score what is not scored yet. Raises `CancelledError` once `stopped()`; what was scored by then is kept."""
        self._renew()
        total = self._session.count()
        for start in range(0, total, _STUDIES_AT_ONCE):
            if stopped():
                raise CancelledError
            with self._session.engine() as engine:
                for case in self._session.cases(start, _STUDIES_AT_ONCE):
                    if case.key not in self._found:
                        self._found[case.key], self._rows[case.key] = self._screen(engine, case)
            progress(min(start + _STUDIES_AT_ONCE, total), total)

    def is_done(self) -> bool:
        """Say whether every stored study has been scored in this generation."""
        self._renew()
        return len(self._found) == self._session.count()

    def of(self, study: str) -> tuple[Screened, ...]:
        """Return a stored study's scores, () where it was not screened or no set fits it."""
        return self._found.get(study, ())

    def worklist(self) -> list[WorklistRow]:
        """Return the worklist of what was screened so far."""
        self._renew()
        return sort_worklist(list(self._rows.values()))

    def _renew(self) -> None:
        """Forget the scores of another generation."""
        with self._session.engine() as engine:
            edition = (self._session.editions, None if engine.store is None else engine.store.generation)
        with self._guard:
            if edition != self._edition:
                self._edition, self._found, self._rows = edition, {}, {}

    def _screen(self, engine: Engine, case: Case) -> tuple[tuple[Screened, ...], WorklistRow]:
        name = fitting_set(case)
        if name is None or engine.store is None:
            return (), worklist_row(case, name, ())
        # Percentiles are left out: each would compare every study with every other.
        if self._screener is None or self._screener[0] is not engine:
            screener = Screener(TextVectors(engine.encoder), None, domain=engine.domain, judge=engine.judge)
            self._screener = (engine, screener)
        rows = self._screener[1].rows_or_reasons(stored_study(engine.store, case), _findings(name))
        found = tuple(
            Screened(row.finding, row.state, row.probability, row.series, row.view, row.key_slice) for row in rows
        )
        return found, worklist_row(case, name, found)


def fitting_set(case: Case) -> str | None:
    """Return the name of the shipped finding set that fits a stored study, or None."""
    names = (set_for(one.modality, one.body_part) for one in case.series)
    return next((name for name in names if name is not None), None)


def _findings(name: str) -> Sequence[Finding]:
    return load_set(name).findings
