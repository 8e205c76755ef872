"""Run one function over many tasks in worker processes that may crash, hang or run out of memory.

The standard pools cannot do this: a killed worker breaks `ProcessPoolExecutor`, and neither pool stops a task that
hangs. Here each worker is a fresh interpreter (not a fork: the parent has OpenMP threads, and not `spawn`, which
re-runs the user's script) with an address-space limit; a task past its time limit is killed with its worker, and only
that task fails. Results come back in the order of the tasks, and at most `2 * workers` are ahead of the consumer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, TypeVar

from retrieval.errors import InputError, Reason, StorageError

__all__ = ["MEMORY_LIMIT", "TIME_LIMIT", "Outcome", "serve", "supervised_map"]

MEMORY_LIMIT = 12 << 30  # bytes of address space a worker may map
TIME_LIMIT = 600.0  # seconds a study may take
_START_LIMIT = 120.0  # seconds a worker may take to start; importing is not the study's fault
_READY = "ready"

Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Task]):
    """What became of one task: a value, or the `InputError` that says why there is none."""

    task: Task
    value: Any = None
    error: InputError | None = None


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    index: int | None = None  # number of the task in hand
    started: float = 0.0
    ready: bool = False  # has said so; until then its imports run, not its task


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
    memory_limit: int = MEMORY_LIMIT,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Outcome[Task], None, None]:
    """Yield one `Outcome` per task, in order. `function` is `"module:name"`, called as `name(task)` in a worker.

    A worker that dies, or runs longer than `time_limit` seconds, is replaced, and its task yields an `InputError`
    with reason `decode_failed` or `timeout`. Closing the generator stops every worker, and so does `stopped()`, which
    is asked several times a second: the generator then ends without the rest. Raises `StorageError` where a worker
    meets a full disk: that is no task's fault.
    """
    crew = [_start(function, memory_limit) for _ in range(max(1, workers))]
    window: _Window[Task] = _Window()
    source = iter(enumerate(tasks))
    try:
        exhausted, give = False, 0
        while not stopped():
            exhausted = exhausted or _feed(crew, window, source, give, 2 * len(crew))
            if give in window.done:
                del window.tasks[give]
                yield window.done.pop(give)
                give += 1
            elif exhausted and not window.tasks:
                return
            else:
                _collect(crew, window, function, time_limit, memory_limit)
    finally:
        for worker in crew:
            _stop(worker)


def _feed(
    crew: list[_Worker], window: _Window[Task], source: Iterator[tuple[int, Task]], give: int, ahead: int
) -> bool:
    for worker in crew:
        if worker.index is not None or (window.tasks and max(window.tasks) - give >= ahead):
            continue
        try:
            worker.index, task = next(source)
        except StopIteration:
            return True
        window.tasks[worker.index] = task
        worker.started = time.monotonic()
        try:
            worker.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            worker.started = time.monotonic()  # it died while idle: _collect sees that and replaces it
    return False


def _collect(crew: list[_Worker], window: _Window[Task], function: str, time_limit: float, memory_limit: int) -> None:
    """Take what is ready; kill and replace what is dead or late."""
    busy = {worker.connection: worker for worker in crew if worker.index is not None}
    ready = wait(list(busy), timeout=0.2)
    for connection, worker in busy.items():
        error: InputError | StorageError | None = None
        value = None
        if connection in ready:
            try:
                answer = worker.connection.recv()
            except (EOFError, ConnectionResetError):
                answer = (None, _death(worker))
            if answer == _READY:
                worker.ready, worker.started = True, time.monotonic()
                continue
            value, error = answer
            if isinstance(error, StorageError):  # the next task would meet the same full disk
                raise error
        elif time.monotonic() - worker.started > (time_limit if worker.ready else _START_LIMIT):
            message = f"reading took longer than {time_limit:.0f} s and was stopped; look at the files by hand"
            error = InputError(Reason.TIMEOUT, message)
        else:
            continue
        timed_out = isinstance(error, InputError) and error.reason is Reason.TIMEOUT
        lost = worker.process.poll() is not None or timed_out
        index = worker.index
        worker.index = None
        if index is not None:
            window.done[index] = Outcome(window.tasks[index], value, error)
        if lost:
            _stop(worker)
            crew[crew.index(worker)] = _start(function, memory_limit)


def _death(worker: _Worker) -> InputError:
    code = worker.process.wait(timeout=10)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    message = f"the process that read it ended with {how}: a decoder crashed; convert the files losslessly"
    return InputError(Reason.DECODE_FAILED, message)


def _start(function: str, memory_limit: int) -> _Worker:
    ours, theirs = Pipe(duplex=True)
    arguments = [str(theirs.fileno()), function, str(memory_limit)]
    path = os.pathsep.join(p for p in sys.path if p)
    # One thread each: the parent's encoder owns the cores, the workers fill the gaps.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "index_builder.workers", *arguments],
        **_inherits(theirs.fileno()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # C decoders write to it; what matters comes back as an error
    )
    theirs.close()
    return _Worker(process, ours)


def _inherits(descriptor: int) -> dict[str, Any]:
    """The arguments of Popen by which a worker inherits its end of the pipe: a descriptor, on Windows a handle."""
    if sys.platform == "win32":
        os.set_handle_inheritable(descriptor, True)
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [descriptor]})}
    return {"pass_fds": [descriptor]}


def _stop(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()


def serve(descriptor: int, function: str, memory_limit: int) -> None:
    """A worker's life: say that it is ready, then answer each task with `(value, error)` until the parent hangs up."""
    _limit_memory(memory_limit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    module, _, name = function.partition(":")
    call = getattr(__import__(module, fromlist=[name]), name)
    connection = _pipe_end(descriptor)
    with connection:
        connection.send(_READY)
        while True:
            try:
                task = connection.recv()
            except EOFError:
                return
            connection.send(_answer(call, task))


def _limit_memory(limit: int) -> None:
    """Limit this process's address space, where the system can: Windows has no such limit, macOS refuses to set it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, AttributeError, ValueError, OSError):
        return


def _pipe_end(descriptor: int) -> Connection[Any, Any]:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(descriptor)
    return Connection(descriptor)


def _answer(call: Any, task: Any) -> tuple[Any, InputError | StorageError | None]:
    try:
        return call(task), None
    except (InputError, StorageError) as error:
        return None, error
    except MemoryError:
        message = "reading it needs more memory than a worker may use; split the study or shrink the series"
        return None, InputError(Reason.TOO_LARGE, message)
    except Exception as error:  # noqa: BLE001 - the rest of the archive goes on; the message says what happened
        return None, InputError(Reason.DECODE_FAILED, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
