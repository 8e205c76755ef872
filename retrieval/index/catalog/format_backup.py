"""The copy of an index that is kept beside it before its format is made the newest, for whoever must go back.

`archive.backup/` holds `archive.index` and its linkage file as they were: an older version opens it there. Vectors are
hard links where the disk has them, since their files never change. Deleting for good (`compact`, `forget`) deletes it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from radseek.retrieval.disk_errors import require_room, writing_to
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.catalog.sqlite_file import connect, guarded

__all__ = ["backup_path", "drop_backup", "keep_backup"]

_LEFT_OUT: Final = ("sums.json", ".writer.lock")  # hashes of files that are copied row by row; a lock


def backup_path(index: Path) -> Path:
    """Return where the copy of an index lies: `archive.index` has `archive.backup` beside it."""
    return index.with_name(f"{index.name.removesuffix('.index')}.backup")


def keep_backup(index: Path, catalog: sqlite3.Connection, name: str) -> None:
    """Copy an index whose `catalog`, a file of this `name`, is open and of an older format, in the place of any copy.

    Raises `StorageError` where the disk has no room for its catalogue and linkage.
    """
    done, linkage = backup_path(index), linkage_path(index)
    draft = done.with_name(f".{done.name}.draft")
    databases = [file for file in (index / name, linkage) if file.exists()]
    require_room(index.parent, sum(file.stat().st_size for file in databases))
    with writing_to(index.parent):
        for old in (draft, done):
            shutil.rmtree(old, ignore_errors=True)
        (draft / index.name).mkdir(parents=True)
        draft.chmod(0o700)  # the linkage in it names patients
        for file in sorted(one for one in index.rglob("*") if one.is_file()):
            place = draft / index.name / file.relative_to(index)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not file.name.startswith(name) and file.name not in _LEFT_OUT:
                _link(file, place)
    _copy(catalog, draft / index.name / name)
    if linkage.exists():
        with closing(connect(linkage, read_only=True)) as opened:
            _copy(opened, draft / linkage.name)
        (draft / linkage.name).chmod(0o600)
    with writing_to(index.parent):
        os.replace(draft, done)


def drop_backup(index: Path) -> None:
    """Delete the copy, and what a killed writer left of one: what is deleted for good is in neither."""
    done = backup_path(index)
    with writing_to(index.parent):
        for one in (done, done.with_name(f".{done.name}.draft")):
            if one.exists():
                shutil.rmtree(one)


def _link(file: Path, place: Path) -> None:
    if file.suffix == ".npy":
        try:
            os.link(file, place)
        except OSError:  # no links on this disk
            shutil.copy2(file, place)
    else:
        shutil.copy2(file, place)


def _copy(opened: sqlite3.Connection, place: Path) -> None:
    with guarded(place), closing(sqlite3.connect(place)) as target:
        opened.backup(target)
