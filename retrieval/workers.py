"""Run one function over many tasks, or one, in worker processes that may crash, hang or run out of memory.

The standard pools cannot do this: a killed worker breaks `ProcessPoolExecutor`, and neither pool stops a task that
hangs. Here each worker has an address-space limit (`worker_process`); a task past its time limit is killed with its
worker, and only that task fails. Results come back in the order of the tasks, and at most `2 * workers` are ahead of
the consumer.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Final, Generic, TypeVar

from radseek.retrieval.errors import InputError, RadseekError, Reason
from radseek.retrieval.machine_memory import memory_share
from radseek.retrieval.worker_process import READY, Worker, death, not_started, start, stop

__all__ = ["TIME_LIMIT", "Outcome", "call_apart", "supervised_map"]

TIME_LIMIT: Final = 600.0  # seconds a study may take
_START_LIMIT: Final = 120.0  # seconds a worker may take to start; importing is not the study's fault

Task = TypeVar("Task")
_Kind = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Task]):
    """What became of one task: a value, or the `InputError` that says why there is none."""

    task: Task
    value: Any = None
    error: InputError | None = None


@dataclass(slots=True)
class _Window(Generic[Task]):
    tasks: dict[int, Task] = field(default_factory=dict)
    done: dict[int, Outcome[Task]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Limits:
    seconds: float
    memory: int


def supervised_map(
    function: str,
    tasks: Iterable[Task],
    *,
    workers: int,
    time_limit: float = TIME_LIMIT,
    memory_limit: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Outcome[Task], None, None]:
    """Yield one `Outcome` per task, in order. `function` is `"module:name"`, called as `name(task)` in a worker.

    A worker that dies, or runs longer than `time_limit` seconds, is replaced, and its task yields an `InputError`
    with reason `decode_failed` or `timeout`. `memory_limit` is in bytes of address space, without one a share of the
    machine's memory. Closing the generator stops every worker, and so does `stopped()`, which is asked several times a
    second: the generator then ends without the rest. Raises `StorageError` where a worker meets a full disk, and
    `WorkerError` where one cannot even start: neither is a task's fault.
    """
    count = max(1, workers)
    limits = _Limits(time_limit, memory_limit or memory_share(count))
    crew = [start(function, limits.memory) for _ in range(count)]
    window: _Window[Task] = _Window()
    source = iter(enumerate(tasks))
    try:
        exhausted, give = False, 0
        while not stopped():
            exhausted = exhausted or _feed(crew, window, source, give, limits)
            if give in window.done:
                del window.tasks[give]
                yield window.done.pop(give)
                give += 1
            elif exhausted and not window.tasks:
                return
            else:
                _collect(crew, window, function, limits)
    finally:
        for worker in crew:
            stop(worker)


def call_apart(function: str, task: Any, *, time_limit: float = TIME_LIMIT, memory_limit: int | None = None) -> Any:
    """Return `name(task)` of `function`, `"module:name"`, from a worker, which is kept for the next call.

    Raises what the function raises of radseek's own errors, `InputError` where the worker dies (`decode_failed`), is
    late (`timeout`) or the function fails, and `WorkerError` where none can be started.
    """
    limits = _Limits(time_limit, memory_limit or memory_share(1))
    worker = _taken(function, limits.memory)
    kept = False
    try:
        value, error = _asked(worker, task, limits)
        kept = worker.process.poll() is None
    finally:
        if kept:
            _put_back(worker, function, limits.memory)
        else:
            stop(worker)
    if error is not None:
        raise error
    return value


def _feed(
    crew: list[Worker], window: _Window[Task], source: Iterator[tuple[int, Task]], give: int, limits: _Limits
) -> bool:
    for worker in crew:
        if worker.index is not None or (window.tasks and max(window.tasks) - give >= 2 * len(crew)):
            continue
        try:
            worker.index, task = next(source)
        except StopIteration:
            return True
        window.tasks[worker.index] = task
        worker.started = time.monotonic()
        try:
            worker.connection.send((task, limits.seconds))
        except (BrokenPipeError, ConnectionResetError):
            worker.started = time.monotonic()  # it died while idle: _collect sees that and replaces it
    return False


def _collect(crew: list[Worker], window: _Window[Task], function: str, limits: _Limits) -> None:
    """Take what is ready; kill and replace what is dead or late."""
    busy = {worker.connection: worker for worker in crew if worker.index is not None}
    ready = wait(list(busy), timeout=0.2)
    for connection, worker in busy.items():
        answer = _answer_of(worker, limits, ready=connection in ready)
        if answer is None:
            continue
        value, error = answer
        if error is not None and not isinstance(error, InputError):
            raise error  # a full disk, or the like: the next task would meet it, too
        lost = worker.process.poll() is not None or (error is not None and error.reason is Reason.TIMEOUT)
        index = worker.index
        worker.index = None
        if index is not None:
            window.done[index] = Outcome(window.tasks[index], value, error)
        if lost:
            stop(worker)
            crew[crew.index(worker)] = start(function, limits.memory)


def _answer_of(worker: Worker, limits: _Limits, *, ready: bool) -> tuple[Any, RadseekError | None] | None:
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


def _asked(worker: Worker, task: Any, limits: _Limits) -> tuple[Any, RadseekError | None]:
    """Send one worker a task and wait for what becomes of it."""
    worker.started = time.monotonic()
    with suppress(BrokenPipeError, ConnectionResetError):  # it is dead, which is what is seen next
        worker.connection.send((task, limits.seconds))
    while True:
        # Until its time is over, so that nothing is polled: a worker that dies wakes this up, too.
        rest = (limits.seconds if worker.ready else _START_LIMIT) - (time.monotonic() - worker.started)
        ready = bool(wait([worker.connection], timeout=max(0.0, rest) + 0.01))
        answer = _answer_of(worker, limits, ready=ready)
        if answer is not None:
            if isinstance(answer[1], InputError) and answer[1].reason is Reason.TIMEOUT:
                worker.process.kill()
                worker.process.wait()
            return answer


_idle: dict[_Kind, Worker] = {}  # one a kind: a server's readers at the same moment start their own
_lock = threading.Lock()


def _kind(function: str, memory: int) -> _Kind:
    """What a kept worker must share with who asks it: a worker has the folder and the environment of its start."""
    return os.getpid(), function, memory, os.getcwd(), frozenset(os.environ.items())


def _taken(function: str, memory: int) -> Worker:
    kind = _kind(function, memory)
    with _lock:
        outdated = [other for other in _idle if other[0] == kind[0] and other[1] == function and other != kind]
        old = [_idle.pop(other) for other in outdated]
        worker = _idle.pop(kind, None)
    for one in old:
        stop(one)
    if worker is not None and worker.process.poll() is None:
        return worker
    if worker is not None:
        stop(worker)
    return start(function, memory)


def _put_back(worker: Worker, function: str, memory: int) -> None:
    with _lock:
        surplus = _idle.setdefault(_kind(function, memory), worker) is not worker
    if surplus:
        stop(worker)


def _end() -> None:
    """Stop the workers that are kept; those of a process that was forked from are not ours."""
    for kind, worker in list(_idle.items()):
        if kind[0] == os.getpid():
            stop(worker)


atexit.register(_end)
