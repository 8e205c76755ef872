"""Studies that were read, held up to a limit of bytes; whoever asks for one that is being read waits for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from radseek.retrieval.types import Study

__all__ = ["OpenedStudies"]


class OpenedStudies:
    """The studies asked for last; the newest is held whatever its size. `limit`: bytes of voxels, all together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._held: OrderedDict[str, Future[Study | None]] = OrderedDict()

    def get(self, key: str, read: Callable[[], Study | None]) -> Study | None:
        """Return a study, read where it is not held; one reading of a study at a time, beside those of others.

        None, where `read` says so, is not held. Raises what `read` raises.
        """
        with self._lock:
            held = self._held.get(key)
            asked = Future[Study | None]() if held is None else held
            self._held[key] = asked
            self._held.move_to_end(key)
        if held is None:
            self._read(key, asked, read)
        return asked.result()

    def _read(self, key: str, asked: Future[Study | None], read: Callable[[], Study | None]) -> None:
        try:
            study = read()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            asked.set_exception(error)
            study = None
        else:
            asked.set_result(study)
        with self._lock:
            if study is None:  # its files may come back
                self._held.pop(key, None)
            self._let_go()

    def is_read(self, key: str) -> bool:
        """Say whether a study is held, so that nobody waits for it."""
        with self._lock:
            held = self._held.get(key)
        return held is not None and held.done()

    def _let_go(self) -> None:
        sizes = {key: _size(one) for key, one in self._held.items()}
        total = sum(sizes.values())
        for key in list(self._held)[:-1]:
            if total <= self._limit:
                return
            if self._held[key].done():
                del self._held[key]
                total -= sizes[key]


def _size(asked: Future[Study | None]) -> int:
    study = asked.result() if asked.done() and asked.exception() is None else None
    return 0 if study is None else sum(one.volume.voxels.nbytes for one in study.series)
