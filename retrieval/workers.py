"""Run one function over many tasks, or one, in worker processes that may crash, hang or run out of memory.

The standard pools cannot do this: a killed worker breaks `ProcessPoolExecutor`, and neither pool stops a task that
hangs. Here each task has an address-space limit (`worker_process`); one past its time limit is killed with its worker,
and only that task fails. Results come back in the order of the tasks, and at most `2 * workers` are ahead of the
consumer. A worker does any function's tasks: a few that are done wait for the next call, since each costs a second to
start.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Final, Generic, TypeVar

from radseek.retrieval.errors import InputError, RadseekError, Reason
from radseek.retrieval.machine_memory import memory_share
from radseek.retrieval.worker_process import (
    READY,
    Limits,
    Worker,
    death,
    give,
    is_lost,
    kind_now,
    not_started,
    start,
    stop,
)

__all__ = ["TIME_LIMIT", "Outcome", "call_apart", "supervised_map"]

_log: Final = logging.getLogger(__name__)

TIME_LIMIT: Final = 600.0  # seconds a study may take
_START_LIMIT: Final = 120.0  # seconds a worker may take to start; importing is not the study's fault
_MOST_IDLE: Final = 2  # workers that wait for the next call

Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Task]):
    """What became of one task: a value, or the `InputError` that says why there is none."""

    task: Task
    value: Any = None
    error: InputError | None = None


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done, by how many workers at most."""

    function: str
    limits: Limits
    workers: int


@dataclass(slots=True)
class _Window(Generic[Task]):
    tasks: dict[int, Task] = field(default_factory=dict)
    done: dict[int, Outcome[Task]] = field(default_factory=dict)


def supervised_map(
    function: str,
    tasks: Iterable[Task],
    *,
    workers: int,
    time_limit: float = TIME_LIMIT,
    memory_limit: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    keep: bool = True,
) -> Generator[Outcome[Task], None, None]:
    """Yield one `Outcome` per task, in order. `function` is `"module:name"`, called as `name(task)` in a worker.

    A worker that dies, or runs longer than `time_limit` seconds, is replaced, and its task yields an `InputError`
    with reason `decode_failed` or `timeout`. `memory_limit` is in bytes of address space, without one a share of the
    machine's memory. Closing the generator stops every worker at a task, and so does `stopped()`, which is asked
    several times a second: the generator then ends without the rest. With `keep` those that have none are kept for the
    next call. Raises `StorageError` where a worker meets a full disk, and `WorkerError` where one cannot even start:
    neither is a task's fault.
    """
    count = max(1, workers)
    order = _Order(function, Limits(time_limit, memory_limit or memory_share(count)), count)
    crew: list[Worker] = []  # as many as there are tasks for
    window: _Window[Task] = _Window()
    source = iter(enumerate(tasks))
    try:
        exhausted, following = False, 0
        while not stopped():
            exhausted = exhausted or _feed(crew, window, source, following, order)
            if following in window.done:
                del window.tasks[following]
                yield window.done.pop(following)
                following += 1
            elif exhausted and not window.tasks:
                return
            else:
                _collect(crew, window, order)
    finally:
        for worker in crew:
            if keep and worker.index is None:
                _put_back(worker)
            else:
                stop(worker)


def call_apart(function: str, task: Any, *, time_limit: float = TIME_LIMIT, memory_limit: int | None = None) -> Any:
    """Return `name(task)` of `function`, `"module:name"`, from a worker, which is kept for the next call.

    Raises what the function raises of radseek's own errors, `InputError` where the worker dies (`decode_failed`), is
    late (`timeout`) or the function fails, and `WorkerError` where none can be started.
    """
    limits = Limits(time_limit, memory_limit or memory_share(1))
    worker = _taken(function)
    kept = False
    try:
        value, error = _asked(worker, function, task, limits)
        kept = not is_lost(worker, error)
    finally:
        if kept:
            _put_back(worker)
        else:
            _log.info("a worker was stopped after %s", function)
            stop(worker)
    if error is not None:
        raise error
    return value


def _feed(
    crew: list[Worker],
    window: _Window[Task],
    source: Iterator[tuple[int, Task]],
    following: int,
    order: _Order,
) -> bool:
    """Give tasks to workers that have none; say whether there are no more."""
    for place in range(order.workers):
        busy = place < len(crew) and crew[place].index is not None
        if busy or (window.tasks and max(window.tasks) - following >= 2 * order.workers):
            continue
        try:
            index, task = next(source)
        except StopIteration:
            return True
        if place == len(crew):  # after the task is there: finding it may have used, and given back, a worker
            crew.append(_taken(order.function))
        crew[place].index = index
        window.tasks[index] = task
        give(crew[place], order.function, task, order.limits)  # one that died while idle is seen by _collect
    return False


def _collect(crew: list[Worker], window: _Window[Task], order: _Order) -> None:
    """Take what is ready; kill and replace what is dead or late."""
    busy = {worker.connection: worker for worker in crew if worker.index is not None}
    ready = wait(list(busy), timeout=0.2)
    for connection, worker in busy.items():
        answer = _answer_of(worker, order.limits, ready=connection in ready)
        if answer is None:
            continue
        value, error = answer
        if error is not None and not isinstance(error, InputError):
            raise error  # a full disk, or the like: the next task would meet it, too
        lost, index = is_lost(worker, error), worker.index
        worker.index = None
        if index is not None:
            window.done[index] = Outcome(window.tasks[index], value, error)
        if lost:
            _log.info("a worker was stopped after %s: %s", order.function, error)
            stop(worker)
            crew[crew.index(worker)] = _taken(order.function)


def _answer_of(worker: Worker, limits: Limits, *, ready: bool) -> tuple[Any, RadseekError | None] | None:
    """What a worker has to say of its task, None while it has nothing. Raises `WorkerError` where it did not start."""
    if ready:
        try:
            answer = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            if not worker.ready:
                raise not_started(worker) from None
            return None, death(worker)
        if answer == READY:
            worker.is_ready()
            return None
        value, error = answer
        return value, error
    took = time.monotonic() - worker.started
    if not worker.ready and took > _START_LIMIT:
        raise not_started(worker, late=True)
    if worker.ready and took > limits.seconds:
        message = f"reading took longer than {limits.seconds:.0f} s and was stopped; look at the files by hand"
        return None, InputError(Reason.TIMEOUT, message)
    return None


def _asked(worker: Worker, function: str, task: Any, limits: Limits) -> tuple[Any, RadseekError | None]:
    """Send one worker a task and wait for what becomes of it."""
    give(worker, function, task, limits)
    while True:
        # Until its time is over, so that nothing is polled: a worker that dies wakes this up, too.
        rest = (limits.seconds if worker.ready else _START_LIMIT) - (time.monotonic() - worker.started)
        ready = bool(wait([worker.connection], timeout=max(0.0, rest) + 0.01))
        answer = _answer_of(worker, limits, ready=ready)
        if answer is not None:
            return answer


_idle: list[Worker] = []
_lock = threading.Lock()


def _taken(function: str) -> Worker:
    """Return an idle worker, one that knows the function before others, or a new one."""
    kind = kind_now()
    with _lock:
        ours = [worker for worker in _idle if worker.kind[0] == kind[0]]
        fitting = [worker for worker in ours if worker.kind == kind and worker.process.poll() is None]
        found = max(fitting, key=lambda worker: function in worker.known, default=None)
        gone = [worker for worker in ours if worker not in fitting]
        _idle[:] = [worker for worker in _idle if worker not in gone and worker is not found]
    for worker in gone:
        stop(worker)
    return start() if found is None else found


def _put_back(worker: Worker) -> None:
    """Keep a worker for the next call, unless enough wait already."""
    with _lock:
        waiting = sum(other.kind[0] == os.getpid() for other in _idle)
        kept = waiting < _MOST_IDLE and worker.process.poll() is None
        if kept:
            _idle.append(worker)
    if not kept:
        stop(worker)


def _end() -> None:
    """Stop the workers that are idle; those of a process that was forked from are not ours."""
    for worker in _idle:
        if worker.kind[0] == os.getpid():
            stop(worker)


atexit.register(_end)
