"""What the page keeps of one desk's archive: its screening, its map, its verdicts. All visitors share them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from radseek.app.archive_screening import ArchiveScreening
from radseek.app.embedding_map import EmbeddingMap, Progress, map_archive
from radseek.app.session import Desk
from radseek.app.verdicts import VerdictLog

__all__ = ["Archive", "archive_of", "generation_of"]


class Archive:
    """Get it from `archive_of`; `log` is None where the desk has no index."""

    def __init__(self, desk: Desk) -> None:
        self.screening = ArchiveScreening(desk)
        self.log = None if desk.index is None else VerdictLog(desk.index)
        self._map: EmbeddingMap | None = None
        self._map_of: tuple[int, int] | None = None

    def draw(self, desk: Desk, progress: Progress, stopped: Callable[[], bool]) -> EmbeddingMap:
        """Return the map of the index as it is now, laid out once a generation. Raises as `map_archive` does."""
        drawn, edition = self.drawn(desk), _edition_of(desk)
        if drawn is None:
            drawn = self._map = map_archive(desk, progress, stopped)
            self._map_of = edition
        return drawn

    def drawn(self, desk: Desk) -> EmbeddingMap | None:
        """Return the map if it was drawn from the index as it is now."""
        return self._map if self._map_of == _edition_of(desk) else None


_archives: WeakKeyDictionary[Desk, Archive] = WeakKeyDictionary()
_guard = Lock()


def archive_of(desk: Desk) -> Archive:
    """Return what is kept for a desk, made on first use."""
    with _guard:
        if desk not in _archives:
            _archives[desk] = Archive(desk)
        return _archives[desk]


def generation_of(desk: Desk) -> int:
    """Return the generation of the index that a desk has open; 0 without one."""
    with desk.turn() as engine:
        return 0 if engine.store is None else engine.store.generation


def _edition_of(desk: Desk) -> tuple[int, int]:
    """Return what tells an index from another one, or from itself after a change: of one number there may be two."""
    with desk.turn():
        return desk.editions, generation_of(desk)
