"""The linkage file beside an index: from pseudonyms back to original identifiers and paths. 0600, and never inside."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.digests import digest_of
from radseek.retrieval.index.catalog.sqlite_file import (
    checkpoint,
    connect,
    empty_log,
    guarded,
    in_one_step,
    make_private,
)
from radseek.retrieval.index.store import Linkage, StudyRecord

__all__ = ["LinkageFile", "linkage_path"]

_FORMAT = 2  # PRAGMA user_version: every row has a digest; 0 in files that were made before there were any
_COLUMNS = "key, study_uid, patient_id, accession, source_path, paths, series"
# `seen` is no part of the digest: a shortcut, which where it is wrong costs a reading of the files. `date` is, where
# there is one: rows of before it was kept have "" and the digest of before.
_ADDED = {"digest": "BLOB", "seen": "TEXT NOT NULL DEFAULT ''", "date": "TEXT NOT NULL DEFAULT ''"}
_HAS = "SELECT name FROM pragma_table_info('studies')"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS studies (
    key TEXT PRIMARY KEY, study_uid TEXT NOT NULL, patient_id TEXT NOT NULL, accession TEXT NOT NULL,
    source_path TEXT NOT NULL, paths TEXT NOT NULL, series TEXT NOT NULL,
    digest BLOB, seen TEXT NOT NULL DEFAULT '', date TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
"""
# How many studies the last write left: a row that is gone since is seen, also where no hash of the file is kept.
_COUNTED = "CREATE TABLE IF NOT EXISTS counted (one INTEGER PRIMARY KEY CHECK (one = 1), studies INTEGER NOT NULL);"
_COUNT = "INSERT OR REPLACE INTO counted VALUES (1, (SELECT count(*) FROM studies))"


def linkage_path(index: Path) -> Path:
    """Return where an index's linkage file is: `archive.index` has `archive.linkage.sqlite` beside it."""
    return index.with_name(f"{index.name.removesuffix('.index')}.linkage.sqlite")


class LinkageFile:
    """An open linkage file."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        if not read_only:
            make_private(path)
        self.path = path
        self._read_only = read_only
        self._connection = connect(path, read_only=read_only)
        try:
            if not read_only:
                self._make_tables()
            self._digests = ("digest",) in self._query(_HAS)
            self._date = "date" if ("date",) in self._query(_HAS) else "''"
        except BaseException:
            self._connection.close()
            raise

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with guarded(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _make_tables(self) -> None:
        columns = self._query(_HAS)
        with guarded(self.path):
            if not columns:
                self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
            if not self._is_counted():  # before there was a count
                self._connection.executescript(f"BEGIN; {_COUNTED} {_COUNT}; COMMIT;")
        for name, kind in _ADDED.items() if columns else ():
            if (name,) not in columns:
                self._query(f"ALTER TABLE studies ADD COLUMN {name} {kind}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute(_COUNT)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def lacks_rows(self) -> bool:
        """Say whether there are not as many studies as the last write left."""
        if not self._is_counted():
            return False
        rows = self._query("SELECT (SELECT studies FROM counted), (SELECT count(*) FROM studies)")
        return bool(rows[0][0] != rows[0][1])

    def _is_counted(self) -> bool:
        return bool(self._query("SELECT 1 FROM sqlite_master WHERE name = 'counted'"))

    def has_all_digests(self) -> bool:
        """Say whether every row has the digest that tells a changed one."""
        return bool(self._query("PRAGMA user_version")[0][0] >= _FORMAT)

    def fill_digests(self) -> None:
        """Write the digests that rows of before there were any lack."""
        if self.has_all_digests():
            return
        rows = self._query(f"SELECT {_COLUMNS} FROM studies WHERE digest IS NULL")
        with self._transaction():
            self._connection.executemany(
                "UPDATE studies SET digest = ? WHERE key = ?", [(digest_of([row]), row[0]) for row in rows]
            )
            self._connection.execute(f"PRAGMA user_version = {_FORMAT}")

    def problems(self) -> list[str]:
        """Return what is wrong with the file, for `verify`."""
        found = [f"linkage: {row[0]}" for row in self._query("PRAGMA integrity_check(5)") if row[0] != "ok"]
        found += ["linkage: it has not as many studies as were written"] if self.lacks_rows() else []
        strict = self.has_all_digests()
        digest = "digest" if self._digests else "NULL"
        rows = self._query(f"SELECT {_COLUMNS}, {self._date}, {digest} FROM studies")
        changed = [str(row[0]) for row in rows if not _as_written(row, strict=strict)]
        return found + [f"linkage of study {key}: it is not what was written" for key in changed]

    def put(self, records: Iterable[StudyRecord]) -> None:
        """Write the linkage of studies, over what there was of the same keys."""
        rows = [((*_row(record), record.linkage.date), record.linkage.seen) for record in records]
        with self._transaction():
            self._connection.executemany(
                f"INSERT OR REPLACE INTO studies ({_COLUMNS}, date, digest, seen) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, _digest(row), seen) for row, seen in rows],
            )

    def drop(self, keys: Collection[str]) -> None:
        """Forget studies."""
        with self._transaction():
            self._connection.executemany("DELETE FROM studies WHERE key = ?", [(key,) for key in keys])

    def seen(self, key: str) -> str:
        """Return the sizes and times that a study's files had when they were last read, as one hash; "" if unknown."""
        rows = self._query("SELECT seen FROM studies WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def note_seen(self, key: str, seen: str) -> None:
        """Note that a study's files were read again and are the same."""
        self._query("UPDATE studies SET seen = ? WHERE key = ?", (seen, key))

    def study_uids(self, limit: int) -> dict[str, str]:
        """Return the StudyInstanceUIDs of some studies that have one, by key."""
        rows = self._query("SELECT key, study_uid FROM studies WHERE study_uid != '' LIMIT ?", (limit,))
        return dict(rows)

    def relink(self, old: str, new: str) -> dict[str, tuple[str, ...]]:
        """Write `new` for the folder `old` at the beginning of every path; return the new paths of the studies changed.

        `old` is matched whole folder by folder; `.` stands for relative paths.
        """
        found, rows = {}, []
        for key, row in sorted(self._rows_of(self.keys()).items()):
            paths = json.loads(row[5])
            moved = [_moved(path, old, new) for path in paths]
            if moved != paths:
                changed = (*row[:5], json.dumps(moved), *row[6:])
                rows.append((changed[5], _digest(changed), key))
                found[key] = tuple(moved)
        with self._transaction():
            self._connection.executemany("UPDATE studies SET paths = ?, digest = ? WHERE key = ?", rows)
        return found

    def some_path(self) -> str:
        """Return one of the paths, or "" where there is none."""
        rows = self._query("SELECT paths FROM studies WHERE paths != '[]' LIMIT 1")
        return str(json.loads(rows[0][0])[0]) if rows else ""

    def files(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield of each study its key, its path as answers show it, and its files."""
        with guarded(self.path):
            for key, shown, paths in self._connection.execute(
                "SELECT key, source_path, paths FROM studies ORDER BY key"
            ):
                yield key, shown, tuple(json.loads(paths))

    def keys(self) -> set[str]:
        """Return the keys of all studies that the file knows, also of any that the index has not."""
        with guarded(self.path):
            return {row[0] for row in self._connection.execute("SELECT key FROM studies")}

    def known(self, keys: Collection[str], patients: Collection[str]) -> set[str]:
        """Return which of `keys` are there, and the keys of the studies of these original patient ids."""
        found: set[str] = set()
        with guarded(self.path):
            for column, values in (("key", keys), ("patient_id", {one.strip() for one in patients} - {""})):
                for value in values:
                    rows = self._connection.execute(f"SELECT key FROM studies WHERE trim({column}) = ?", (value,))
                    found.update(row[0] for row in rows)
        return found

    def paths(self, keys: Collection[str]) -> dict[str, str]:
        """Return the studies' paths, relative to the source they were built from.

        Raises `IndexDamagedError` for a row that is not the one that was written.
        """
        return {key: row[4] for key, row in self._rows_of(keys).items()}

    def visits(self, keys: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return the studies' accession numbers and dates, "" for what a study has not.

        Args:
            keys: of the studies.

        Returns:
            A number and a date, as its files wrote it, for each study that has a row here.

        Raises:
            IndexDamagedError: for a row that is not the one that was written.
        """
        return {key: (row[3], row[7]) for key, row in self._rows_of(keys).items()}

    def get(self, key: str) -> Linkage | None:
        """Return one study's original identifiers and paths, or None. Raises as `paths` does."""
        row = self._rows_of([key]).get(key)
        if row is None:
            return None
        _, study_uid, patient_id, accession, _, paths, series, date = row
        uids = tuple(json.loads(series).values())
        return Linkage(study_uid, patient_id, accession, tuple(json.loads(paths)), uids, date=date)

    def _rows_of(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        digest = "hex(digest)" if self._digests else "''"
        sql = f"SELECT {_COLUMNS}, {self._date}, {digest} FROM studies WHERE key IN (SELECT value FROM json_each(?))"
        strict = self.has_all_digests()
        (whole,) = self._query(in_one_step(sql, _COLUMNS.count(",") + 3), (json.dumps(sorted(keys)),))
        found: dict[str, tuple[str, ...]] = {}
        for *row, kept in json.loads(whole[0]):
            if not _as_written((*row, bytes.fromhex(kept) if kept else None), strict=strict):
                raise IndexDamagedError(
                    f"The linkage of study {row[0]} is not what was written; restore the linkage file from a copy, or "
                    "build the study again."
                )
            found[row[0]] = tuple(row)
        return found

    def vacuum(self) -> None:
        """Leave no bytes of what was dropped."""
        with guarded(self.path):
            self._connection.execute("VACUUM")
            empty_log(self._connection, self.path)

    def close(self) -> None:
        """Close; a writer first moves its log into the file."""
        try:
            if not self._read_only:
                with guarded(self.path):
                    checkpoint(self._connection)
        finally:
            self._connection.close()


def _moved(path: str, old: str, new: str) -> str:
    if old == ".":
        return path if os.path.isabs(path) else os.path.join(new, path)
    rest = path.removeprefix(old)
    return new + rest if rest != path and rest[:1] in ("", os.sep, "!") else path


def _as_written(row: Sequence[object], *, strict: bool) -> bool:
    """Say whether a row, its digest last, is the one that was written; `strict`: one without digest is not."""
    *values, digest = row
    return digest == _digest(values) if strict or digest is not None else True


def _digest(row: Sequence[object]) -> bytes:
    """Return the digest of a row, its date last."""
    *values, date = row
    return digest_of([[*values, date]] if date else [values])


def _row(record: StudyRecord) -> tuple[str, str, str, str, str, str, str]:
    link = record.linkage
    uids = dict(zip((s.key for s in record.series), link.series_uids, strict=False))
    paths, series = json.dumps(link.paths), json.dumps(uids)
    return record.key, link.study_uid, link.patient_id, link.accession, record.source_path, paths, series
