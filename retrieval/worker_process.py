"""One worker: a fresh interpreter that answers tasks over a pipe, and may crash, hang or run out of memory.

Not a fork: the parent has OpenMP threads. Not `spawn`: that re-runs the user's script. Until it says that it is ready
its stderr is kept, for then it is the installation that fails and no task; later C decoders only chatter there.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any, Final

from radseek.retrieval.errors import InputError, RadseekError, Reason, WorkerError

__all__ = ["READY", "Worker", "death", "not_started", "serve", "start", "stop"]

READY: Final = "ready"
_GRACE: Final = 5  # seconds after its limit in which a worker that nobody stopped ends itself
_LINES: Final = 8  # of stderr that are shown
_CHARACTERS: Final = 1200
_REMEDY: Final = "leave the files out, or convert them with dcmtk or dcm2niix"


@dataclass(slots=True)
class Worker:
    """A worker's process and our end of its pipe."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    index: int | None = None  # number of the task in hand
    started: float = 0.0  # when it began with that, by the monotonic clock
    ready: bool = False  # has said so; until then its imports run, not its task

    def is_ready(self) -> None:
        """Note that its imports are done; the time of the task in hand runs from now on."""
        self.ready, self.started = True, time.monotonic()
        _close(self.process.stderr)


def start(function: str, memory_limit: int) -> Worker:
    """Start a worker that calls `function`, `"module:name"`, and may map `memory_limit` bytes."""
    ours, theirs = Pipe(duplex=True)
    arguments = [str(theirs.fileno()), function, str(memory_limit)]
    path = os.pathsep.join(p for p in sys.path if p)
    # One thread each: the parent's encoder owns the cores, the workers fill the gaps.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "radseek.retrieval.worker_process", *arguments],
        **_inherits(theirs.fileno()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    theirs.close()
    return Worker(process, ours, started=time.monotonic())


def stop(worker: Worker) -> None:
    """End a worker, whatever it is doing."""
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()
    _close(worker.process.stderr)


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


def serve(descriptor: int, function: str, memory_limit: int) -> None:
    """A worker's life: say that it is ready, then answer each task with `(value, error)` until the parent hangs up.

    A task comes with the seconds that it may take; a worker that is past them and was not stopped ends itself, so that
    none goes on for ever where the parent was killed.
    """
    _limit_memory(memory_limit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    module, _, name = function.partition(":")
    call = getattr(__import__(module, fromlist=[name]), name)
    connection = _pipe_end(descriptor)
    with connection:
        connection.send(READY)
        _silence()
        while True:
            try:
                task, seconds = connection.recv()
            except EOFError:
                return
            _alarm(math.ceil(seconds) + _GRACE)
            answer = _answer(call, task)
            _alarm(0)
            connection.send(answer)


def _inherits(descriptor: int) -> dict[str, Any]:
    """The arguments of Popen by which a worker inherits its end of the pipe: a descriptor, on Windows a handle."""
    if sys.platform == "win32":
        os.set_handle_inheritable(descriptor, True)
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [descriptor]})}
    return {"pass_fds": [descriptor]}


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def _silence() -> None:
    """What C decoders write to stderr goes nowhere from now on; what matters comes back as an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _limit_memory(limit: int) -> None:
    """Limit this process's address space, where the system can: Windows has no such limit, macOS refuses to set it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
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
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
