"""Hashes of a closed index's manifest and SQLite files, by which any byte changed since is found.

    archive.index/sums.json    {"catalog.sqlite": [SHA-256, bytes, time], "archive.linkage.sqlite": ..., ...}

A writer takes the file away before it changes anything and writes it when it has closed the others; after a writer that
was killed there is none, and whoever opens the index then is in doubt of it, as where sizes or times differ: all rows
are compared with their digests before an answer about all studies. Hashes are compared only where sizes or times
differ. The hash of the linkage says nothing of anybody.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from radseek.retrieval.disk_errors import is_limit, storage_error, writing_to
from radseek.retrieval.index.segments.segment_folders import sync_folder

__all__ = ["SUMS", "changed_files", "clear_sums", "look_changed", "write_sums"]

SUMS = "sums.json"


def clear_sums(index: Path) -> None:
    """Take the hashes away, for good before anything else is written."""
    file = index / SUMS
    if file.exists():
        with writing_to(index):
            file.unlink(missing_ok=True)
            sync_folder(index)


def write_sums(index: Path, files: Collection[Path]) -> None:
    """Write the hashes of closed files, whole or not at all.

    None are written where a file still has a log, so is not closed, or where the disk refuses: an index can do without.
    """
    if any(_log_bytes(file) for file in files):
        return
    draft = index / f".{SUMS}.draft"
    try:
        draft.write_text(json.dumps({file.name: [_hash(file), *_stat(file)] for file in files}), "utf8")
        os.replace(draft, index / SUMS)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def look_changed(index: Path, files: Collection[Path]) -> bool | None:
    """Say whether a file that is there has another size or time than when it was closed; no file's bytes are read.

    None where nothing says what they were.
    """
    sums = _read(index)
    if sums is None:
        return None
    return any(sums.get(file.name, [0])[1:] != _stat(file) or _log_bytes(file) for file in files if file.is_file())


def changed_files(index: Path, files: Collection[Path]) -> list[Path] | None:
    """Return which of these files are not the ones that were closed, by their hashes; None where there are none."""
    sums = _read(index)
    if sums is None:
        return None
    there = [file for file in files if file.is_file()]
    changed = [file for file in there if _log_bytes(file) or sums.get(file.name, [""])[0] != _hash(file)]
    # A writer that came meanwhile took the hashes away before it changed anything.
    return changed if sums == _read(index) else None


def _read(index: Path) -> dict[str, list[Any]] | None:
    """Return the hashes; none of any file where they cannot be read; None where there are none."""
    try:
        found = json.loads((index / SUMS).read_text("utf8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_limit(error):
            raise storage_error(error, index) from error
        return {}
    except ValueError:
        return {}
    good = isinstance(found, dict) and all(isinstance(one, list) and one for one in found.values())
    return found if good else {}


def _hash(file: Path) -> str:
    with writing_to(file), file.open("rb") as opened:  # what the disk or the system refuses is said
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _stat(file: Path) -> list[int]:
    return [file.stat().st_size, file.stat().st_mtime_ns]


def _log_bytes(file: Path) -> int:
    log = file.with_name(f"{file.name}-wal")
    return log.stat().st_size if log.exists() else 0
