"""The catalogue file: its settings, its generation, and the one transaction that makes a write exist."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import IndexDamagedError
from retrieval.index.schema import FORMAT, READABLE, SCHEMA, UPGRADES
from retrieval.index.segments import SegmentInfo
from retrieval.index.sqlite_file import checkpoint, connect, empty_log, guarded, make_private

__all__ = ["Catalog", "create_catalog"]


def create_catalog(path: Path, settings: dict[str, str]) -> None:
    """Make an empty catalogue of generation 0 with these settings, closed so that it can be copied."""
    make_private(path)
    with guarded(path):
        connection = connect(path, read_only=False)
        try:
            connection.executescript(SCHEMA)
            rows = [*settings.items(), *((name, "0") for name in ("generation", "compacted", "vacuumed"))]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            checkpoint(connection)
        finally:
            connection.close()


class Catalog:
    """An open catalogue. Queries may come from several threads; only one of them runs at a time."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = connect(path, read_only=read_only)
        self._read_only = read_only
        try:
            self._check_format()
        except BaseException:
            self._connection.close()
            raise

    def query(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._lock, guarded(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _check_format(self) -> None:
        """See that the format is a known one; a writer makes it the newest."""
        (version,) = self.query("PRAGMA user_version")[0]
        if version not in READABLE:
            raise IndexDamagedError(
                f"{self.path} has format {version} and this radseek reads {READABLE[0]} to {FORMAT}; "
                "use the radseek that built it, or build the index again."
            )
        self.format = int(version)
        if self._read_only or version == FORMAT:
            return
        with self.transaction() as connection:
            for older in range(version, FORMAT):
                for statement in UPGRADES[older]:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        self.format = FORMAT

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside one transaction: committed and on disk at the end, or rolled back."""
        with self._lock, guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def setting(self, name: str, default: str | None = None) -> str:
        """Return one setting; where it is missing the default, or without one `IndexDamagedError`."""
        rows = self.query("SELECT value FROM meta WHERE name = ?", (name,))
        if not rows and default is not None:
            return default
        if not rows:
            raise IndexDamagedError(f"{self.path} lacks its '{name}'; restore it from a copy.")
        return str(rows[0][0])

    def generation(self) -> int:
        """Return the last committed generation."""
        return int(self.setting("generation"))

    def segments(self) -> list[SegmentInfo]:
        """Return all segments by number."""
        rows = self.query("SELECT number, slices, views, sentences, files FROM segments ORDER BY number")
        return [_segment_info(row) for row in rows]

    def next_segment(self) -> int:
        """Return a number that no segment has; numbers of deleted ones may come back after a compaction."""
        return int(self.query("SELECT coalesce(max(number), 0) + 1 FROM segments")[0][0])

    def log_bytes(self) -> int:
        """Return the bytes of the write-ahead log, which its file must still take up."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return log.stat().st_size if log.exists() else 0

    def needs_vacuum(self) -> bool:
        """Say whether rows were deleted since the last `vacuum`."""
        return self.setting("compacted") != self.setting("vacuumed")

    def vacuum(self) -> None:
        """Give the space of deleted rows back and leave none of their bytes."""
        with self._lock, guarded(self.path):
            # Deleted words stay in the keyword index until its parts are merged.
            self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            self._connection.execute("VACUUM")
            empty_log(self._connection, self.path)
            self._connection.execute(
                "UPDATE meta SET value = (SELECT value FROM meta WHERE name = 'compacted') WHERE name = 'vacuumed'"
            )
            checkpoint(self._connection)

    def close(self) -> None:
        """Close; a writer first moves its log into the file."""
        with self._lock:
            try:
                if not self._read_only:
                    with guarded(self.path):
                        checkpoint(self._connection)
            finally:
                self._connection.close()


def _segment_info(row: tuple[int, int, int, int, str]) -> SegmentInfo:
    number, slices, views, sentences, files = row
    rows = {"slices": slices, "views": views, "sentences": sentences}
    return SegmentInfo(number, rows, {name: (sha, size) for name, (sha, size) in json.loads(files).items()})
