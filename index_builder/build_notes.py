"""The builder's notes on disk: what was found and what the reports say, so memory does not grow with the archive."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radseek.retrieval.disk_errors import temporary_folder, using_temporary_database, using_temporary_folder

__all__ = ["scratch_database"]

SCHEMA = """
CREATE TABLE files (
    study TEXT NOT NULL, path BLOB NOT NULL, source BLOB NOT NULL, header BLOB NOT NULL, stamp TEXT NOT NULL
);
CREATE TABLE names (study TEXT PRIMARY KEY, source TEXT NOT NULL, shown TEXT NOT NULL, first TEXT NOT NULL);
CREATE TABLE reports (
    study TEXT NOT NULL, located TEXT NOT NULL, text TEXT NOT NULL, patient TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE metadata (
    study TEXT NOT NULL, located TEXT NOT NULL, said BLOB NOT NULL, used INTEGER NOT NULL DEFAULT 0
);
"""


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """Yield an empty SQLite database in a private temporary folder, gone with everything in it afterwards.

    It holds original identifiers while a build runs, so it is never written beside the index. Raises `StorageError`
    where the temporary folder is full.
    """
    place = temporary_folder()
    with using_temporary_folder(place):
        made = tempfile.TemporaryDirectory(prefix="radseek-build-", dir=place)
    # An index's own trouble with its disk is a `RadseekError` by now; what SQLite still complains of is this file.
    with made as folder, using_temporary_database(place):
        connection = sqlite3.connect(Path(folder) / "scratch.sqlite")
        try:
            connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
            yield connection
        finally:
            connection.close()
