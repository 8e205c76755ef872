"""Full, broken and forbidden disks as one sentence: which folder, how much is free there, how much is needed.

`writing_to` stands around what writes; `require_room` asks first, so that nothing is left half done.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeGuard

from radseek.retrieval.errors import IndexBusyError, StorageError, SystemLimitError

__all__ = [
    "TEMPORARY_REMEDY",
    "is_limit",
    "is_storage_error",
    "limit_error",
    "require_room",
    "sqlite_storage_error",
    "storage_error",
    "temporary_folder",
    "using_temporary_database",
    "using_temporary_folder",
    "writing_to",
]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LIMITS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
# SQLite's names of the same conditions: https://www.sqlite.org/rescode.html
_SQLITE_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE")
_SQLITE_FORBIDDEN: Final = ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN", "SQLITE_AUTH")
_SQLITE_BROKEN: Final = ("SQLITE_IOERR",)
_SQLITE_MEMORY: Final = ("SQLITE_NOMEM", "SQLITE_IOERR_NOMEM")
_PROBES: Final = 4  # files that one connection may have open: the database, its log, the log's index, a journal
TEMPORARY_REMEDY: Final = "it is for temporary files: set TMPDIR to a folder with more room"
_SQLITE_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


def is_storage_error(error: BaseException) -> TypeGuard[OSError]:
    """Say whether an error is of the disk or the system: no room, no permission, a broken device, no more files."""
    return isinstance(error, OSError) and error.errno in (*_FULL, *_FORBIDDEN, *_LIMITS, errno.EIO)


def is_limit(error: OSError) -> bool:
    """Say whether the system gave no more open files or memory, which says nothing of what was to be read."""
    return error.errno in _LIMITS


def storage_error(error: OSError, folder: Path, needed: int | None = None, remedy: str = "") -> StorageError:
    """Return an error of the operating system as the sentence that says what to do.

    `needed`: bytes that were to be written, where that is known.
    """
    if error.errno in _LIMITS:
        return limit_error(error.errno or errno.ENOMEM, folder)
    if error.errno in _FULL:
        return _no_room(folder, needed, remedy)
    if error.errno in _FORBIDDEN:
        read_only = error.errno == errno.EROFS
        return _forbidden(folder, "it is on a disk that is read-only" if read_only else "no permission", remedy)
    return _broken(folder, error.strerror or str(error))


def limit_error(number: int, folder: Path) -> SystemLimitError:
    """Return EMFILE, ENFILE or ENOMEM, met while `folder` was used, as the sentence that says what to do."""
    if number == errno.EMFILE:
        what, todo = "no more open files for this process", "raise its limit (`ulimit -n`)"
    elif number == errno.ENFILE:
        what, todo = "no more open files for any process", "see what has so many open, or raise the system's limit"
    else:
        what, todo = "no more memory", "end what else needs memory here, or raise this process's limit (`ulimit -v`)"
    return SystemLimitError(f"{folder} is whole but could not be used: the system gives {what}; {todo}, and try again.")


def sqlite_storage_error(
    error: sqlite3.Error, folder: Path, needed: int | None = None, remedy: str = ""
) -> StorageError | IndexBusyError | None:
    """Return SQLite's complaint about the disk under a file in `folder`; None where the disk is not to blame."""
    name: str = getattr(error, "sqlite_errorname", "") or ""
    if name in _SQLITE_MEMORY:
        return limit_error(errno.ENOMEM, folder)
    if name in _SQLITE_FULL or "disk is full" in str(error):
        return _no_room(folder, needed, remedy)
    if name.startswith(_SQLITE_BUSY):
        return IndexBusyError(f"Another process is writing in {folder}; wait until it is done.")
    if name.startswith((*_SQLITE_FORBIDDEN, *_SQLITE_BROKEN)) and (spent := _spent_files(folder)):
        return limit_error(spent, folder)
    if name.startswith(_SQLITE_FORBIDDEN):
        # A disk without room for a file's first block gives the same code as one that may not be written.
        return _no_room(folder, needed, remedy) if _is_full(folder) else _forbidden(folder, "no permission", remedy)
    if name.startswith(_SQLITE_BROKEN):
        return _no_room(folder, needed, remedy) if _is_full(folder) else _broken(folder, str(error))
    return None


@contextmanager
def writing_to(folder: Path, needed: int | None = None, remedy: str = "") -> Iterator[None]:
    """Turn what goes wrong with the disk into `StorageError`; `remedy` replaces what there usually is to do."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if not is_storage_error(error):
            raise
        raise storage_error(error, folder, needed, remedy) from error


@contextmanager
def using_temporary_folder(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Like `writing_to` for temporary files: another folder for them is the remedy."""
    with writing_to(folder, needed, TEMPORARY_REMEDY):
        yield


@contextmanager
def using_temporary_database(folder: Path) -> Iterator[None]:
    """Turn what SQLite says of the disk under a temporary database into `StorageError`."""
    try:
        yield
    except sqlite3.Error as error:
        found = sqlite_storage_error(error, folder, remedy=TEMPORARY_REMEDY)
        if found is None:
            raise
        raise found from error


def require_room(folder: Path, needed: int) -> None:
    """Raise `StorageError` where the disk under a folder has fewer than `needed` bytes for this user."""
    if _free(folder) < needed:
        raise _no_room(folder, needed, "")


def temporary_folder() -> Path:
    """Return where temporary files go. Raises `StorageError` where no folder for them can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        tried = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - it is named, not written
        raise _no_room(
            tried, None, "no folder for temporary files can be written: set TMPDIR to one that can"
        ) from error


def _free(folder: Path) -> int:
    """Return the bytes free for this user under the nearest folder that exists."""
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            break
    return 0


def _spent_files(folder: Path) -> int:
    """Return EMFILE or ENFILE where no connection's files can be opened, else 0: SQLite does not say which it met."""
    opened: list[int] = []
    try:
        for _ in range(_PROBES):
            opened += [os.open(folder, os.O_RDONLY)]  # each kept, so that all are closed
    except OSError as error:
        return error.errno if error.errno in (errno.EMFILE, errno.ENFILE) else 0
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return 0


def _is_full(folder: Path) -> bool:
    return _free(folder) < 2 * 32_768  # what SQLite needs for the index of its log, twice


def _no_room(folder: Path, needed: int | None, remedy: str) -> StorageError:
    free = _free(folder)
    much = f", and about {max(needed, 1):,} are needed" if needed is not None and needed > free else ""
    limit = "" if free < 1_000_000 or much else "; a quota or a limit on the size of a file may be in force"
    todo = remedy or "make room there, or name another folder, and run the same again"
    return StorageError(f"{folder} has no room left: {free:,} bytes are free{much}{limit}; {todo}.")


def _forbidden(folder: Path, why: str, remedy: str) -> StorageError:
    todo = remedy or "see its permissions, or name another folder"
    return StorageError(f"{folder} cannot be used ({why}); {todo}.")


def _broken(folder: Path, why: str) -> StorageError:
    return StorageError(f"{folder} cannot be read or written ({why}); see whether its disk is whole.")
