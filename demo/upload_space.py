"""A private folder for one upload, gone with the block; those of a process that was killed go when the next one starts.

A folder belongs to whoever holds the lock of the file beside it, so a sweep never takes one that is in use.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.storage import using_temporary_folder

__all__ = ["sweep", "upload_folder", "upload_root"]

_LOCK = ".lock"


def upload_root() -> Path:
    """Return the folder of all uploads of this user, which nobody else can read; it is made where there is none."""
    root = Path(tempfile.gettempdir()) / f"radseek-uploads-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid() or root.stat().st_mode & 0o077:
        # Somebody else made it first, to read what is put there: take one that nobody can foresee.
        return Path(tempfile.mkdtemp(prefix="radseek-uploads-"))
    return root


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Lend a new empty folder; everything in it is deleted when the block ends, however it ends."""
    root = upload_root()
    sweep(root)
    folder = root / f"upload-{secrets.token_hex(8)}"
    with using_temporary_folder(root):
        descriptor = os.open(folder.with_suffix(_LOCK), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with using_temporary_folder(root):
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(_LOCK).unlink(missing_ok=True)
        os.close(descriptor)


def sweep(root: Path) -> int:
    """Delete the folders whose process is no more; return how many there were."""
    gone = 0
    for lock in root.glob(f"upload-*{_LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except FileNotFoundError:  # its owner was faster
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # in use
            continue
        else:
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
            gone += 1
        finally:
            os.close(descriptor)
    return gone
