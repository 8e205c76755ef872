"""A private folder for one upload, gone with the block; those of a process that was killed go when the next one starts.

A folder belongs to whoever holds the lock of the file beside it, so a sweep never takes one that is in use.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from radseek.retrieval.disk_errors import using_temporary_folder

__all__ = ["sweep", "upload_folder", "upload_root"]

_LOCK = ".lock"


def upload_root() -> Path:
    """Return the folder of all uploads of this user, which nobody else can read; it is made where there is none."""
    root = Path(tempfile.gettempdir()) / f"radseek-uploads-{_user()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(root):
        # Somebody else made it first, to read what is put there: take one that nobody can foresee.
        return Path(tempfile.mkdtemp(prefix="radseek-uploads-"))
    return root


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Give a new empty folder; everything in it is deleted when the block ends, however it ends."""
    root = upload_root()
    sweep(root)
    folder = root / f"upload-{secrets.token_hex(8)}"
    lock = folder.with_suffix(_LOCK)
    held = FileLock(lock, mode=0o600)
    with using_temporary_folder(root):
        held.acquire()
    try:
        with using_temporary_folder(root):
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        held.release()
        lock.unlink(missing_ok=True)


def sweep(root: Path) -> int:
    """Delete the folders whose process is no more; return how many there were."""
    gone = 0
    for lock in root.glob(f"upload-*{_LOCK}"):
        try:
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        except Timeout:  # in use
            continue
        lock.unlink(missing_ok=True)
        gone += 1
    return gone


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()


def _is_private(folder: Path) -> bool:
    """Whether a folder is ours alone; where a system has no user numbers, the temporary folder itself is the user's."""
    if folder.is_symlink() or not hasattr(os, "getuid"):
        return not folder.is_symlink()
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o077
