"""The catalogue file: its settings, its generation, and the one transaction that makes a write exist."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.digests import digest_of
from radseek.retrieval.index.catalog.format_backup import keep_backup
from radseek.retrieval.index.catalog.schema import FORMAT, READABLE, SCHEMA, UPGRADES
from radseek.retrieval.index.catalog.sqlite_file import (
    checkpoint,
    connect,
    empty_log,
    guarded,
    in_one_step,
    make_private,
)
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import SegmentInfo

__all__ = ["DIGESTS", "Catalog", "Layout", "create_catalog", "folder_digest"]

DIGESTS = "digests"  # the setting that says that every study has digests
# Settings: a digest of all others, the number of studies that are there, a digest of what the segments are.
_SEAL, _LIVE, _SEGMENTS = "seal", "live", "segments"
_FOLDERS_SINCE = 3  # the format that has a table of folders


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which folders there are at a generation, and where in them each commit's rows lie."""

    generation: int
    folders: tuple[SegmentInfo, ...]
    places: Places


def create_catalog(path: Path, settings: dict[str, str]) -> None:
    """Make an empty catalogue of generation 0 with these settings, closed so that it can be copied."""
    make_private(path)
    with guarded(path):
        connection = connect(path, read_only=False)
        try:
            connection.executescript(SCHEMA)
            rows = [*settings.items(), *((name, "0") for name in ("generation", "compacted", "vacuumed"))]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", [*rows, (DIGESTS, "all")])
            _seal(connection)
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
            self.check_settings()
        except BaseException:
            self._connection.close()
            raise

    def query(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._lock, guarded(self.path):
            return self._connection.execute(sql, values).fetchall()

    def whole(self, sql: str, width: int, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Return all rows of a query of `width` columns of text and numbers, as lists (see `in_one_step`)."""
        found: list[Any] = json.loads(self.query(in_one_step(sql, width), values)[0][0])
        return found

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the catalogue in several queries, whatever others commit meanwhile."""
        with self._lock, guarded(self.path):
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def _check_format(self) -> None:
        """See that the format is a known one; a writer makes it the newest, and keeps a copy of before."""
        (version,) = self.query("PRAGMA user_version")[0]
        if version not in READABLE:
            raise IndexDamagedError(
                f"{self.path} has format {version} and this radseek reads {READABLE[0]} to {FORMAT}; "
                "use the radseek that built it, or build the index again."
            )
        self.format = int(version)
        if self._read_only or version == FORMAT:
            return
        keep_backup(self.path.parent, self._connection, self.path.name)
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
                _seal(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def check_settings(self) -> None:
        """Raise `IndexDamagedError` unless the settings are those of the last write, and as many studies are there."""
        if self.format < FORMAT:
            return
        with self.reading():  # a writer that commits between two of these questions has damaged nothing
            self._check_seal()

    def _check_seal(self) -> None:
        live = "(SELECT count(*) FROM studies WHERE removed IS NULL)"
        rows = self.query(f"SELECT name, value FROM meta UNION ALL SELECT NULL, {live}")
        settings = {name: value for name, value in rows if name is not None}
        if settings.pop(_SEAL, None) != _seal_of(settings):
            raise IndexDamagedError(f"{self.path}: its settings are not those last written; restore it from a copy.")
        if settings[_LIVE] != str(rows[-1][1]):
            raise IndexDamagedError(
                f"{self.path} has {rows[-1][1]} studies instead of {settings[_LIVE]}; restore it from a copy."
            )
        segments = _digest_of_segments(self._connection)
        if settings[_SEGMENTS] != segments:
            raise IndexDamagedError(
                f"{self.path} names other segments than it was written with; restore it from a copy."
            )

    def has_all_digests(self) -> bool:
        """Say whether every study has the digests that tell a changed row (not so before format 2)."""
        return self.format > 1 and self.setting(DIGESTS, "") == "all"

    def setting(self, name: str, default: str | None = None) -> str:
        """Return one setting; where it is missing the default, or without one `IndexDamagedError`."""
        rows = self.query("SELECT value FROM meta WHERE name = ?", (name,))
        if not rows and default is not None:
            return default
        if not rows:
            raise IndexDamagedError(f"{self.path} lacks its '{name}'; restore it from a copy.")
        return str(rows[0][0])

    def has_text(self) -> bool:
        """Say whether the index's encoder has a text tower: without one no sentence has a vector."""
        return bool(json.loads(self.setting("encoder")).get("text", True))

    def generation(self) -> int:
        """Return the last committed generation."""
        return int(self.setting("generation"))

    def layout(self) -> Layout:
        """Return the last generation and its folders, as one moment has them.

        Raises `IndexDamagedError` for a folder whose row is not the one that was written.
        """
        with self.reading():
            generation, strict = self.generation(), self.has_all_digests()
            version = int(self.query("PRAGMA user_version")[0][0])  # a writer may have renewed it
            own = version < _FOLDERS_SINCE  # each segment had its own folder
            sums, kept = ("x''", "segments") if own else ("sums", "folders")
            digest, held = "digest" if version > 1 else "NULL", "number" if own else "folder"
            folders = self.query(
                f"SELECT number, slices, views, sentences, files, {sums}, {digest} FROM {kept} ORDER BY 1"
            )
            segments = self.query(f"SELECT number, {held}, slices, views, sentences FROM segments ORDER BY 1")
        for *row, digest in folders:
            if digest != folder_digest(row) and (digest is not None or strict):
                raise IndexDamagedError(f"{self.path}: its row of folder {row[0]} was changed; restore it from a copy.")
        infos = tuple(_segment_info(row) for *row, _ in folders)
        return Layout(generation, infos, Places.of(segments, infos))

    def next_folder(self) -> int:
        """Return a number that no folder has or had, for the next folder and what is committed in it."""
        return int(self.query("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'folders'")[0][0])

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy the whole catalogue into another database."""
        with self._lock, guarded(self.path):
            self._connection.backup(target)

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
            with self.transaction() as connection:
                connection.execute(
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


def folder_digest(row: Sequence[object]) -> bytes:
    """Return the digest of a row of folders; one of before there were sums has none of them in it."""
    return digest_of([row if row[-1] else row[:-1]])


def _seal(connection: sqlite3.Connection) -> None:
    """Write the settings that tell whether the others are whole; last of a transaction."""
    (live,) = connection.execute("SELECT count(*) FROM studies WHERE removed IS NULL").fetchone()
    own = [(_LIVE, str(live)), (_SEGMENTS, _digest_of_segments(connection))]
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", own)
    settings = dict(connection.execute("SELECT name, value FROM meta WHERE name != ?", (_SEAL,)).fetchall())
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_SEAL, _seal_of(settings)))


def _digest_of_segments(connection: sqlite3.Connection) -> str:
    segments = connection.execute("SELECT number, folder, slices, views, sentences FROM segments ORDER BY 1").fetchall()
    return digest_of(segments, connection.execute("SELECT number, digest FROM folders ORDER BY 1").fetchall()).hex()


def _seal_of(settings: dict[str, str]) -> str:
    return digest_of(sorted(settings.items())).hex()


def _segment_info(row: Sequence[Any]) -> SegmentInfo:
    number, slices, views, sentences, files, sums = row
    rows = {"slices": slices, "views": views, "sentences": sentences}
    return SegmentInfo(number, rows, {name: (sha, size) for name, (sha, size) in json.loads(files).items()}, sums)
