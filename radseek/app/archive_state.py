"""What the page keeps of one session's archive: its screening, its map, its verdicts. All visitors share them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from radseek.app.archive_screening import ArchiveScreening
from radseek.app.embedding_map import EmbeddingMap, Progress, map_archive
from radseek.app.notebook import Notebook
from radseek.app.session import Session
from radseek.app.verdicts import VerdictLog

__all__ = ["Archive", "archive_of", "generation_of"]


class Archive:
    """Get it from `archive_of`; `log` and `notebook` are None where the session has no index."""

    def __init__(self, session: Session) -> None:
        self.screening = ArchiveScreening(session)
        self.log = None if session.index is None else VerdictLog(session.index)
        self.notebook = None if session.index is None else Notebook(session.index)
        self._map: EmbeddingMap | None = None
        self._map_of: tuple[int, int] | None = None

    def draw(self, session: Session, progress: Progress, stopped: Callable[[], bool]) -> EmbeddingMap:
        """Return the map of the index as it is now, laid out once a generation. Raises as `map_archive` does."""
        drawn, edition = self.drawn(session), _edition_of(session)
        if drawn is None:
            drawn = self._map = map_archive(session, progress, stopped)
            self._map_of = edition
        return drawn

    def drawn(self, session: Session) -> EmbeddingMap | None:
        """Return the map if it was drawn from the index as it is now."""
        return self._map if self._map_of == _edition_of(session) else None


_archives: WeakKeyDictionary[Session, Archive] = WeakKeyDictionary()
_guard = Lock()


def archive_of(session: Session) -> Archive:
    """Return what is kept for a session, made on first use."""
    with _guard:
        if session not in _archives:
            _archives[session] = Archive(session)
        return _archives[session]


def generation_of(session: Session) -> int:
    """Return the generation of the index that a session has open; 0 without one."""
    with session.engine() as engine:
        return 0 if engine.store is None else engine.store.generation


def _edition_of(session: Session) -> tuple[int, int]:
    """Return what tells an index from another one, or from itself after a change: of one number there may be two."""
    with session.engine():
        return session.editions, generation_of(session)
