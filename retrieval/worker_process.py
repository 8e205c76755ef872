"""One worker: a fresh interpreter that answers tasks over a pipe, and may crash, hang or run out of memory.

Not a fork: the parent has OpenMP threads. Not `spawn`: that re-runs the user's script. A task names its function,
whose module the worker imports when it meets it first, and then says that it is ready; until then its stderr is kept,
for it is the installation that fails and no task. While a task runs, C decoders only chatter there.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final

from radseek.retrieval.errors import InputError, RadseekError, Reason, WorkerError

__all__ = ["READY", "Limits", "Worker", "death", "give", "is_lost", "kind_now", "not_started", "serve", "start", "stop"]

READY: Final = "ready"
_GRACE: Final = 5  # seconds after its limit in which a worker that nobody stopped ends itself
_LINES: Final = 8  # of stderr that are shown
_CHARACTERS: Final = 1200
_REMEDY: Final = "leave the files out, or convert them with dcmtk or dcm2niix"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may take: seconds, and bytes of address space."""

    seconds: float
    memory: int


@dataclass(slots=True, eq=False)
class Worker:
    """A worker's process and our end of its pipe. `kind`: what it took over from us when it was started."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    kind: tuple[object, ...]
    index: int | None = None  # number of the task in hand
    started: float = 0.0  # when it began with that, by the monotonic clock
    ready: bool = False  # has imported the function of the task in hand; until then its task does not run
    asked: str = ""  # the function of the task in hand
    known: set[str] = field(default_factory=set)  # functions that it has imported

    def is_ready(self) -> None:
        """Note that its imports are done; the time of the task in hand runs from now on."""
        self.ready, self.started = True, time.monotonic()
        self.known.add(self.asked)


def kind_now() -> tuple[object, ...]:
    """Return what a worker that is started now takes over: whose it is, its folder, its path and its environment."""
    return os.getpid(), os.getcwd(), tuple(sys.path), frozenset(os.environ.items())


def start() -> Worker:
    """Start a worker."""
    kind = kind_now()
    ours, theirs = Pipe(duplex=True)
    path = os.pathsep.join(p for p in sys.path if p)
    # One thread each: the parent's encoder owns the cores, the workers fill the gaps.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "radseek.retrieval.worker_process", str(theirs.fileno())],
        **_inherits(theirs.fileno()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    theirs.close()
    return Worker(process, ours, kind, started=time.monotonic())


def give(worker: Worker, function: str, task: Any, limits: Limits) -> None:
    """Give a worker a task for `function`, `"module:name"`; one that is dead is seen to be when it is asked."""
    worker.asked, worker.ready = function, function in worker.known
    worker.started = time.monotonic()
    with suppress(BrokenPipeError, ConnectionResetError):
        worker.connection.send((function, limits))
        worker.connection.send(task)
    worker.started = time.monotonic()


def is_lost(worker: Worker, error: RadseekError | None) -> bool:
    """Say whether a worker that has answered is of no more use: dead, late, or out of memory."""
    if isinstance(error, InputError) and error.reason in (Reason.TIMEOUT, Reason.TOO_LARGE):
        return True
    return worker.process.poll() is not None


def stop(worker: Worker) -> None:
    """End a worker, whatever it is doing."""
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()
    if worker.process.stderr is not None:
        worker.process.stderr.close()


def death(worker: Worker) -> InputError:
    """Return what a worker's death says of the task that it had in hand."""
    code = worker.process.wait(timeout=10)
    if code == -getattr(signal, "SIGALRM", 0):
        return InputError(Reason.TIMEOUT, "reading took too long and was stopped; look at the files by hand")
    how = _how(code)
    if how == "signal SIGKILL":
        how += " (the system does so where memory runs out)"
    message = f"the process that read it ended with {how}: a decoder crashed; convert the files losslessly"
    return InputError(Reason.DECODE_FAILED, message)


def not_started(worker: Worker, *, late: bool = False) -> WorkerError:
    """Return the error of a worker that ended, or as it is `late` is ended here, before it could take a task."""
    if late:
        worker.process.kill()
    code = worker.process.wait()
    said = worker.process.stderr.read() if worker.process.stderr is not None else b""
    lines = said.decode("utf8", "replace").strip().splitlines()[-_LINES:]
    how = "it was not ready in time" if late else _how(code)
    stated = "\n".join(lines)[-_CHARACTERS:] or "it said nothing on stderr"
    return WorkerError(
        f"A process that reads files cannot start ({how}), which is no file's fault. Run `radseek doctor`; with little "
        f"memory, fewer --workers help. Its last words:\n{stated}"
    )


def _how(code: int) -> str:
    """How a process ended, in words."""
    names = {one.value: one.name for one in signal.Signals}
    return f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"


def serve(descriptor: int) -> None:
    """A worker's life: answer each task with `(value, error)` until the parent hangs up.

    A task comes after its function and its limits; a function that is new is imported, which is told by `READY`. A
    worker that is past its seconds and was not stopped ends itself, so that none goes on for ever where the parent was
    killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    said, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    calls: dict[str, Callable[[Any], Any]] = {}
    with _pipe_end(descriptor) as connection, suppress(EOFError):
        while True:
            function, limits = connection.recv()
            _limit_memory(limits.memory)
            if function not in calls:
                os.dup2(said, 2)
                calls[function] = _imported(function)
                connection.send(READY)
            task = connection.recv()
            os.dup2(nowhere, 2)  # what C decoders write is lost; what matters comes back as an error
            tempfile.tempdir = None  # a task may have had its own
            _alarm(math.ceil(limits.seconds) + _GRACE)
            answer = _answer(calls[function], task)
            _alarm(0)
            connection.send(answer)


def _imported(function: str) -> Callable[[Any], Any]:
    module, _, name = function.partition(":")
    found: Callable[[Any], Any] = getattr(__import__(module, fromlist=[name]), name)
    return found


def _inherits(descriptor: int) -> dict[str, Any]:
    """The arguments of Popen by which a worker inherits its end of the pipe: a descriptor, on Windows a handle."""
    if sys.platform == "win32":
        os.set_handle_inheritable(descriptor, True)
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [descriptor]})}
    return {"pass_fds": [descriptor]}


def _limit_memory(limit: int) -> None:
    """Limit this process's address space, where the system can: Windows has no such limit, macOS refuses to set it.

    The soft limit: the next task may have a higher one.
    """
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    except (ImportError, AttributeError, ValueError, OSError):
        return


def _alarm(seconds: int) -> None:
    if hasattr(signal, "alarm"):  # Windows has none
        signal.alarm(seconds)


def _pipe_end(descriptor: int) -> Connection[Any, Any]:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(descriptor)
    return Connection(descriptor)


def _answer(call: Any, task: Any) -> tuple[Any, RadseekError | None]:
    try:
        return call(task), None
    except RadseekError as error:
        return None, error
    except MemoryError:
        message = "reading it needs more memory than a worker may use; split the study or shrink the series"
        return None, InputError(Reason.TOO_LARGE, message)
    except Exception as error:  # noqa: BLE001 - the rest of the archive goes on; the message says what happened
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return None, InputError(Reason.DECODE_FAILED, f"{said}; {_REMEDY}")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
