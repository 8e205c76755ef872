"""The linkage file beside an index: from pseudonyms back to original identifiers and paths. 0600, and never inside."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import IndexDamagedError
from retrieval.index.digests import digest_of
from retrieval.index.sqlite_file import checkpoint, connect, empty_log, guarded, in_one_step, make_private
from retrieval.index.store import Linkage, StudyRecord

__all__ = ["LinkageFile", "linkage_path"]

_FORMAT = 2  # PRAGMA user_version: every row has a digest; 0 in files that were made before there were any
_COLUMNS = "key, study_uid, patient_id, accession, source_path, paths, series"
_HAS = "SELECT name FROM pragma_table_info('studies')"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS studies (
    key TEXT PRIMARY KEY, study_uid TEXT NOT NULL, patient_id TEXT NOT NULL, accession TEXT NOT NULL,
    source_path TEXT NOT NULL, paths TEXT NOT NULL, series TEXT NOT NULL,
    digest BLOB
) WITHOUT ROWID;
"""


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
        except BaseException:
            self._connection.close()
            raise

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with guarded(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _make_tables(self) -> None:
        columns = self._query(_HAS)
        if not columns:
            with guarded(self.path):
                self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif ("digest",) not in columns:
            self._query("ALTER TABLE studies ADD COLUMN digest BLOB")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

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
        strict = self.has_all_digests()
        rows = self._query(f"SELECT {_COLUMNS}, {'digest' if self._digests else 'NULL'} FROM studies")
        changed = [str(row[0]) for row in rows if not _as_written(row, strict=strict)]
        return found + [f"linkage of study {key}: it is not what was written" for key in changed]

    def put(self, records: Iterable[StudyRecord]) -> None:
        """Write the linkage of studies, over what there was of the same keys."""
        rows = [_row(record) for record in records]
        with self._transaction():
            self._connection.executemany(
                f"INSERT OR REPLACE INTO studies ({_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, digest_of([row])) for row in rows],
            )

    def drop(self, keys: Collection[str]) -> None:
        """Forget studies."""
        with self._transaction():
            self._connection.executemany("DELETE FROM studies WHERE key = ?", [(key,) for key in keys])

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

    def get(self, key: str) -> Linkage | None:
        """Return one study's original identifiers and paths, or None. Raises as `paths` does."""
        row = self._rows_of([key]).get(key)
        if row is None:
            return None
        _, study_uid, patient_id, accession, _, paths, series = row
        return Linkage(study_uid, patient_id, accession, tuple(json.loads(paths)), tuple(json.loads(series).values()))

    def _rows_of(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        digest = "hex(digest)" if self._digests else "''"
        sql = f"SELECT {_COLUMNS}, {digest} FROM studies WHERE key IN (SELECT value FROM json_each(?))"
        strict = self.has_all_digests()
        (whole,) = self._query(in_one_step(sql, _COLUMNS.count(",") + 2), (json.dumps(sorted(keys)),))
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


def _as_written(row: Sequence[object], *, strict: bool) -> bool:
    """Say whether a row, its digest last, is the one that was written; `strict`: one without digest is not."""
    *values, digest = row
    return digest == digest_of([values]) if strict or digest is not None else True


def _row(record: StudyRecord) -> tuple[str, str, str, str, str, str, str]:
    link = record.linkage
    uids = dict(zip((s.key for s in record.series), link.series_uids, strict=False))
    paths, series = json.dumps(link.paths), json.dumps(uids)
    return record.key, link.study_uid, link.patient_id, link.accession, record.source_path, paths, series
