"""The lock of an index's one writer."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from retrieval.errors import IndexBusyError
from retrieval.storage import storage_error

__all__ = ["LOCK", "writer_lock"]

LOCK = ".writer.lock"


def writer_lock(path: Path) -> FileLock:
    """Take the lock of the index at `path`. Raises `IndexBusyError` where another process holds it."""
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise IndexBusyError(
            f"Another process is writing {path}; wait until it is done. Reading works meanwhile."
        ) from None
    except OSError as error:
        raise storage_error(error, path) from error
    return lock
