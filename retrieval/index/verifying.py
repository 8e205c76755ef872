"""Checks an index against itself: the catalogue's structure, every file's hash, every count, every vector."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.digests import changed
from radseek.retrieval.index.catalog.file_sums import changed_files, look_changed
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.catalog.schema import VISIBLE
from radseek.retrieval.index.index_calibration import calibration_problems
from radseek.retrieval.index.kept_codes import code_problems
from radseek.retrieval.index.manifest import MANIFEST
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import ARRAYS, Segment
from radseek.retrieval.index.writer_lock import is_locked

__all__ = ["Verified", "catalogue_problems", "counts", "in_doubt", "require_none", "undigested", "verify"]

_UNIT_TOLERANCE = 0.01
_BLOCK = 65536
_SHOWN = 5  # problems named in the message


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check could look at. `undigested`: studies without digests, written before there were any; `hashed`:
    whether the hashes of the closed files were there to compare (not after a writer that was killed).
    """

    undigested: int
    hashed: bool


def in_doubt(path: Path, files: Collection[Path], catalog: Catalog, *, writing: bool) -> bool:
    """Say whether there is reason to doubt an index's files: another size or time than when they were closed, or a
    writer that never closed them. `writing`: who asks has the writer's lock, and compares hashes where sizes differ.
    """
    changed = look_changed(path, files)
    if changed is None and catalog.has_all_digests() and catalog.generation() > 0:
        return writing or not is_locked(path)
    return bool(changed) and not (writing and changed_files(path, files) == [])


def counts(catalog: Catalog, generation: int) -> dict[str, int]:
    """Return how many studies, series, views, slices and sentences a generation shows."""
    at = {"generation": generation}
    found = {"studies": int(catalog.query(f"SELECT count(*) FROM studies s WHERE {VISIBLE}", at)[0][0])}
    for name, what in (
        ("series", "count(*) FROM series"),
        ("views", "count(*) FROM views"),
        ("slices", "coalesce(sum(t.count), 0) FROM views"),
        ("sentences", "count(*) FROM sentences"),
    ):
        sql = f"SELECT {what} t JOIN studies s ON s.id = t.study WHERE {VISIBLE}"
        found[name] = int(catalog.query(sql, at)[0][0])
    return found


def verify(
    catalog: Catalog, linkage: LinkageFile | None, segments: dict[int, Segment], places: Places, path: Path
) -> Verified:
    """Raise `IndexDamagedError`, naming the first problems, unless everything agrees; say what could be checked."""
    touched = changed_files(path, [catalog.path, path / MANIFEST, *([] if linkage is None else [linkage.path])])
    problems = [f"{file.name} has been changed since it was written" for file in touched or ()]
    problems += catalogue_problems(catalog)
    for segment in segments.values():
        problems += _file_problems(segment)
    problems += _place_problems(catalog, places)
    problems += [] if linkage is None else linkage.problems()
    problems += calibration_problems(path) + code_problems(path)
    require_none(problems, path)
    return Verified(undigested(catalog), touched is not None)


def require_none(problems: Sequence[str], path: Path) -> None:
    """Raise `IndexDamagedError`, naming the first problems, where there are any."""
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise IndexDamagedError(
            f"{path} is damaged: {'; '.join(problems[:_SHOWN])}{more}. Restore it from a copy or build it again."
        )


def catalogue_problems(catalog: Catalog) -> list[str]:
    """Return what is wrong with the catalogue itself: structure, settings, rows, keyword index. Reads all of it."""
    with catalog.reading():
        problems = [f"catalogue: {row[0]}" for row in catalog.query("PRAGMA integrity_check(5)") if row[0] != "ok"]
        problems += [f"catalogue: row {row[1]} of {row[0]} has no {row[2]}" for row in _foreign_keys(catalog)]
        problems += _row_problems(catalog)
    return problems + _keyword_problems(catalog)


def _row_problems(catalog: Catalog) -> list[str]:
    problems = []
    try:
        catalog.check_settings()
        catalog.layout()
    except IndexDamagedError as error:
        problems.append(str(error))
    if catalog.format == 1:
        return problems
    ids = [row[0] for row in catalog.query("SELECT id FROM studies")]
    return problems + [
        f"study {key}: its rows are not those that were written"
        for key in changed(catalog.query, ids, strict=catalog.has_all_digests(), words=True)
    ]


def undigested(catalog: Catalog) -> int:
    """Return how many studies have no digests, as they were written before there were any."""
    where = " WHERE digest IS NULL" if catalog.format > 1 else ""
    return int(catalog.query(f"SELECT count(*) FROM studies{where}")[0][0])


def _foreign_keys(catalog: Catalog) -> list[tuple[str, int, str, int]]:
    return catalog.query("PRAGMA foreign_key_check")


def _file_problems(segment: Segment) -> list[str]:
    problems = []
    for name in ARRAYS:
        try:
            segment.check_hash(name)
            problems += _vector_problems(segment, name)
        except IndexDamagedError as error:
            problems.append(str(error))
    return problems


def _place_problems(catalog: Catalog, places: Places) -> list[str]:
    """Compare what each commit wrote with the rows that the catalogue has of it."""
    views = catalog.query(
        "SELECT segment, count(*), max(row) + 1, sum(count), max(start + count) FROM views GROUP BY segment"
    )
    sentences = catalog.query("SELECT segment, count(*), max(row) + 1 FROM sentences GROUP BY segment")
    found: dict[str, dict[int, tuple[int, int]]] = {
        "slices": {row[0]: (row[3], row[4]) for row in views},
        "views": {row[0]: (row[1], row[2]) for row in views},
        "sentences": {row[0]: (row[1], row[2]) for row in sentences},
    }
    problems = []
    has_text = catalog.has_text()
    for name, of_segment in found.items():
        written = dict(zip(places.number.tolist(), places.count[name].tolist(), strict=True))
        for number, rows in written.items():  # of a later commit, `places` knows nothing
            count, last = of_segment.get(number, (0, 0))
            if name == "sentences" and not has_text:
                count = last = 0  # none has a vector
            if count != rows:
                problems.append(f"segment {number} has {rows} {name} and the catalogue {count}")
            elif last != count:
                problems.append(f"segment {number}: its {name} end at row {last} of {count}")
    return problems


def _vector_problems(segment: Segment, name: str) -> list[str]:
    rows = segment.array(name)
    for start in range(0, len(rows), _BLOCK):
        norms = np.linalg.norm(rows[start : start + _BLOCK].astype(np.float32), axis=1)
        if not np.all(np.abs(norms - 1) < _UNIT_TOLERANCE):
            return [f"folder {segment.info.folder_name}: {name} holds rows that are not of unit length"]
    return []


def _keyword_problems(catalog: Catalog) -> list[str]:
    sentences, words = catalog.query("SELECT (SELECT count(*) FROM sentences), (SELECT count(*) FROM words)")[0]
    problems = [] if sentences == words else [f"{sentences} sentences and {words} in the keyword index"]
    # Its own check is a write to SQLite, so it is made in a copy that goes with its connection.
    with closing(sqlite3.connect("")) as copy:
        catalog.copy_to(copy)
        try:
            copy.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            problems.append(f"the keyword index does not fit its sentences ({error})")
    return problems
