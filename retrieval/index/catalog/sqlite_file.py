"""Opens the SQLite files of an index, for writing, reading, or reading where nothing may be written."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radseek.retrieval.disk_errors import limit_error, sqlite_storage_error, writing_to
from radseek.retrieval.errors import (
    IndexBusyError,
    IndexClosedError,
    IndexDamagedError,
    IndexFolderError,
    RadseekError,
    StoppedError,
    SystemLimitError,
)

__all__ = ["batches", "checkpoint", "connect", "empty_log", "guarded", "identity", "in_one_step", "make_private"]

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")  # https://www.sqlite.org/rescode.html
# A table or a column; in Python's own words bytes that are no text; bytes where `in_one_step` reads text or a number.
_DAMAGE_SAID = ("no such", "UTF-8", "hold BLOB")
_CLOSED = "closed database"
_BATCH = 400  # values bound in one statement
_WAIT = 30.0  # seconds to wait for another connection's lock


def batches(values: Collection[Any]) -> Iterator[list[Any]]:
    """Yield values, sorted, in lists short enough for one statement."""
    ordered = sorted(values)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]


def make_private(path: Path) -> None:
    """Create an empty file that only its owner may read, if there is none; SQLite's own side files follow it."""
    with writing_to(path.parent):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open a database in WAL mode; every commit by a writer is on disk when it returns (`synchronous=FULL`).

    A reader falls back to an immutable connection on a disk that cannot be written. Raises
    `IndexDamagedError` where the file is missing or no database, `IndexFolderError` where it needs a writable disk.
    """
    if not path.is_file():
        raise IndexDamagedError(f"{path} is missing; restore it from a copy or build the index again.")
    with guarded(path):
        return _reader(path) if read_only else _writer(path)


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Move everything from the write-ahead log into the file and truncate the log, so the file can be copied.

    Returns False where a reader kept part of the log in use.
    """
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Leave nothing in the write-ahead log of a file. Raises `IndexBusyError` where a reader keeps it in use."""
    if not checkpoint(connection):
        raise IndexBusyError(
            f"{path} is being read, so what was deleted is still in its log; run the same again in a moment."
        )


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Tell what SQLite complains of as what it is; only what is not as it was written is `IndexDamagedError`.

    A full, broken or forbidden disk is `StorageError`, no more open files or memory `SystemLimitError`, another
    process's lock `IndexBusyError`, a closed connection `IndexClosedError`, an interrupted question `StoppedError`.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _answer(error, path) from error
    except UnicodeDecodeError as error:  # of a message about a damaged name
        raise _damaged(error, path) from error
    except MemoryError as error:
        raise limit_error(errno.ENOMEM, path.parent) from error


def _answer(error: sqlite3.Error, path: Path) -> RadseekError:
    name: str = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_DAMAGE) or any(said in str(error) for said in _DAMAGE_SAID):
        return _damaged(error, path)
    if name.startswith("SQLITE_INTERRUPT"):
        return StoppedError(f"A question to {path} was stopped before its answer; ask again.")
    if _CLOSED in str(error):
        return IndexClosedError(f"{path.parent} was closed before it was asked; open it again.")
    of_the_disk = sqlite_storage_error(error, path.parent)
    return of_the_disk or IndexFolderError(f"{path} cannot be used now ({error}); see that its disk is writable.")


def _damaged(error: Exception, path: Path) -> IndexDamagedError:
    return IndexDamagedError(f"{path} is damaged ({error}); restore it from a copy or build the index again.")


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _open(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the header, and the log
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _writer(path: Path) -> sqlite3.Connection:
    connection = _open(path, "mode=rw")
    connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON").fetchone()  # a deleted report leaves no bytes behind
    return connection


def _reader(path: Path) -> sqlite3.Connection:
    log = path.with_name(f"{path.name}-wal")
    if os.access(path.parent, os.W_OK):
        try:
            return _open(path, "mode=ro")
        except sqlite3.OperationalError as error:
            # Only where nothing may be written is it safe to read as if nobody wrote.
            forbidden = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            limited = isinstance(sqlite_storage_error(error, path.parent), SystemLimitError)
            if limited or error.sqlite_errorcode & 0xFF not in forbidden or (log.exists() and log.stat().st_size):
                raise
    if log.exists() and log.stat().st_size:
        raise IndexFolderError(
            f"{path} was not closed after its last write, and its disk cannot be written; "
            "open it once where it can be, or copy it there."
        )
    return _open(path, "mode=ro&immutable=1")


def in_one_step(sql: str, width: int) -> str:
    """Return a query whose one value is a JSON list of the rows of `sql`, each a list of `width` texts and numbers.

    A thread that goes from row to row lets all others in at each: beside one that computes, a page takes seconds.
    """
    names = ", ".join(f"c{number}" for number in range(width))
    # LIMIT: an ORDER BY without one may be left out.
    return f"WITH rows({names}) AS ({sql} LIMIT -1) SELECT json_group_array(json_array({names})) FROM rows"
