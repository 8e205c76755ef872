"""The builder's notes on disk: what was found and what the reports say, so memory does not grow with the archive."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_database"]

SCHEMA = """
CREATE TABLE files (
    study TEXT NOT NULL, path TEXT NOT NULL, source TEXT NOT NULL, header BLOB NOT NULL, stamp TEXT NOT NULL
);
CREATE TABLE reports (
    study TEXT NOT NULL, located TEXT NOT NULL, text TEXT NOT NULL, patient TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
);
"""


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """Yield an empty SQLite database in a private temporary folder, gone with everything in it afterwards.

    It holds original identifiers while a build runs, so it is never written beside the index.
    """
    with tempfile.TemporaryDirectory(prefix="radseek-build-") as folder:
        connection = sqlite3.connect(Path(folder) / "scratch.sqlite")
        try:
            connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
            yield connection
        finally:
            connection.close()
