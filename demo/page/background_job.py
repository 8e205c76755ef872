"""Work that takes its time: done in a thread, looked at by the page, ended when nobody looks any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

__all__ = ["Work", "bar", "follow"]

_TICK: Final = 0.25  # seconds between two looks
_SILENT: Final = 20.0  # seconds without a look: the visitor is gone
Result = TypeVar("Result")
Progress = Callable[[str, int, int | None], None]  # step, done, of how many
Stopped = Callable[[], bool]


@dataclass(slots=True)
class Work(Generic[Result]):
    """What a piece of work has come to. `result` or `error` is there once it `is_done`."""

    step: tuple[str, int, int | None] = ("", 0, None)
    result: Result | None = None
    error: Exception | None = None
    is_done: bool = False
    started: float = field(default_factory=time.monotonic)
    _looked: float = field(default_factory=time.monotonic)
    _left: bool = False

    def stopped(self) -> bool:
        """Say whether it is to end: the generator was closed, or nobody has looked for a while."""
        return self._left or time.monotonic() - self._looked > _SILENT

    @property
    def seconds(self) -> int:
        """How long it has taken."""
        return int(time.monotonic() - self.started)


def follow(job: Callable[[Progress, Stopped], Result]) -> Iterator[Work[Result]]:
    """Run `job(progress, stopped)` in a thread and yield its work several times a second, the last time when done.

    Closing the generator asks the job to stop, and does not wait for it.
    """
    work: Work[Result] = Work()

    def progress(step: str, done: int, total: int | None) -> None:
        work.step = (step, done, total)

    def run() -> None:
        try:
            work.result = job(progress, work.stopped)
        except Exception as error:  # noqa: BLE001 - handed to the page, which says it
            work.error = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            work._looked = time.monotonic()
            yield work
            thread.join(_TICK)
        work.is_done = True
        yield work
    finally:
        work._left = True


def bar(text: str, done: int | None = None, total: int | None = None) -> str:
    """Return a line of text and a progress bar as HTML; `text` is escaped already."""
    share = f' value="{done}" max="{total}"' if done is not None and total else ""
    return f'<p>{text}</p><progress class="rs-progress" aria-label="{text}"{share}></progress>'
