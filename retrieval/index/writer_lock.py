"""The lock of an index's one writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from radseek.retrieval.disk_errors import storage_error
from radseek.retrieval.errors import IndexBusyError

__all__ = ["LOCK", "is_locked", "locked"]

_LONGER_THAN_A_LOOK = 0.2  # seconds: `is_locked` holds the lock for less

LOCK = ".writer.lock"


@contextmanager
def locked(path: Path) -> Iterator[FileLock]:
    """Take the lock of an index's folder and keep it, past the block too; it is given back only if the block raises.

    Raises `IndexBusyError` where another process has it.
    """
    lock = FileLock(path / LOCK, timeout=_LONGER_THAN_A_LOOK, thread_local=False)
    try:
        lock.acquire(poll_interval=0.02)
    except Timeout:
        raise IndexBusyError(
            f"Another process is writing {path}; wait until it is done. Reading works meanwhile."
        ) from None
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def is_locked(path: Path) -> bool:
    """Say whether a writer has an index's folder now; not where this cannot be seen, as in a folder of others."""
    if not (path / LOCK).is_file():
        return False
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:
        return False
