"""The linkage file beside an index: from pseudonyms back to original identifiers and paths. 0600, and never inside."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from retrieval.index.sqlite_file import checkpoint, connect, empty_log, guarded, make_private
from retrieval.index.store import Linkage, StudyRecord

__all__ = ["LinkageFile", "linkage_path"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS studies (
    key TEXT PRIMARY KEY, study_uid TEXT NOT NULL, patient_id TEXT NOT NULL, accession TEXT NOT NULL,
    source_path TEXT NOT NULL, paths TEXT NOT NULL, series TEXT NOT NULL
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
                with guarded(path):
                    self._connection.executescript(_SCHEMA)
        except BaseException:
            self._connection.close()
            raise

    def put(self, records: Iterable[StudyRecord]) -> None:
        """Write the linkage of studies, over what there was of the same keys."""
        rows = [_row(record) for record in records]
        with guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO studies VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def drop(self, keys: Collection[str]) -> None:
        """Forget studies."""
        with guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("DELETE FROM studies WHERE key = ?", [(key,) for key in keys])
            self._connection.execute("COMMIT")

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
        """Return the studies' paths, relative to the source they were built from."""
        found: dict[str, str] = {}
        with guarded(self.path):
            for key in keys:
                row = self._connection.execute("SELECT source_path FROM studies WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = row[0]
        return found

    def get(self, key: str) -> Linkage | None:
        """Return one study's original identifiers and paths, or None."""
        with guarded(self.path):
            row = self._connection.execute(
                "SELECT study_uid, patient_id, accession, paths, series FROM studies WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        return Linkage(row[0], row[1], row[2], tuple(json.loads(row[3])), tuple(json.loads(row[4]).values()))

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


def _row(record: StudyRecord) -> tuple[str, str, str, str, str, str, str]:
    link = record.linkage
    uids = dict(zip((s.key for s in record.series), link.series_uids, strict=False))
    paths, series = json.dumps(link.paths), json.dumps(uids)
    return record.key, link.study_uid, link.patient_id, link.accession, record.source_path, paths, series
