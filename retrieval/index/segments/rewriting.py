"""Rewrites folders: without removed studies (compact), or with every view pooled again (repool)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.digests import changed, not_as_written
from radseek.retrieval.index.catalog.format_backup import drop_backup
from radseek.retrieval.index.kept_codes import drop_codes
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import Segment, SegmentInfo, write_segment

__all__ = ["Pool", "compact", "repool"]

Pool = Callable[[NDArray[np.float16]], NDArray[np.float16]]
Rewritten = tuple[Segment, SegmentInfo, list[Any], list[Any]]


def compact(catalog: Catalog, folder: Path, dim: int, segments: dict[int, Segment], places: Places) -> None:
    """Delete removed studies from the folders and the catalogue's tables; their bytes go with its `vacuum`.

    Readers of earlier generations are told to open the index again. Old files go last. Studies and folders of
    before format 2 get their digests. The copy of before an upgrade goes first.
    """
    drop_backup(catalog.path.parent)
    _delete(catalog, folder, dim, segments, places)
    if not catalog.has_all_digests():
        with catalog.transaction() as connection:
            catalog_write.fill_digests(connection)


def _delete(catalog: Catalog, folder: Path, dim: int, segments: dict[int, Segment], places: Places) -> None:
    if not catalog.query("SELECT 1 FROM studies WHERE removed IS NOT NULL LIMIT 1"):
        return
    touched = {
        row[0]
        for table in ("views", "sentences")
        for row in catalog.query(
            f"SELECT DISTINCT g.folder FROM {table} t JOIN segments g ON g.number = t.segment "
            "JOIN studies s ON s.id = t.study WHERE s.removed IS NOT NULL"
        )
    }
    old = [segments[n] for n in sorted(touched)]
    _rewrite(catalog, folder, dim, old, places, pool=None, settings={})


def repool(
    catalog: Catalog,
    folder: Path,
    segments: dict[int, Segment],
    places: Places,
    spec: EncoderSpec,
    pool: Pool,
    adapter: str,
) -> None:
    """Write every folder again with its views pooled by `pool`, and make `spec` the index's.

    `adapter` names the index's own adapter (`own_pooling`), or is `""` where the pooling is the encoder's.
    """
    settings = {"encoder": json.dumps(spec.to_dict()), "own_pooling": adapter}
    _rewrite(catalog, folder, spec.dim, list(segments.values()), places, pool=pool, settings=settings)


def _rewrite(
    catalog: Catalog,
    folder: Path,
    dim: int,
    old: list[Segment],
    places: Places,
    pool: Pool | None,
    settings: dict[str, str],
) -> None:
    first, generation = catalog.next_folder(), catalog.generation() + 1
    drop_codes(folder.parent)  # they say something of the rows that go, and whoever is killed later starts here again
    try:
        done = [_copy(catalog, folder, dim, segment, places, first + i, pool) for i, segment in enumerate(old)]
        _commit(catalog, done, {**settings, "generation": str(generation), "compacted": str(generation)})
    except BaseException:
        for i in range(len(old)):  # nothing names them, and the next commit has their numbers
            shutil.rmtree(folder / f"{first + i:06d}", ignore_errors=True)
        raise
    for segment, *_ in done:
        shutil.rmtree(folder / segment.info.folder_name, ignore_errors=True)


def _commit(catalog: Catalog, done: list[Rewritten], settings: dict[str, str]) -> None:
    with catalog.transaction() as connection:
        _delete_removed(connection)
        moved = _moved_studies(connection, [segment.info.number for segment, *_ in done])
        strict = catalog.has_all_digests()
        for key in changed(catalog.query, moved, strict=strict, words=True):
            raise not_as_written(key)  # new digests would make a changed row a good one
        for segment, info, views, sentences in done:
            catalog_write.insert_segment(connection, info)
            connection.executemany("UPDATE views SET segment = ?, row = ?, start = ? WHERE id = ?", views)
            connection.executemany("UPDATE sentences SET segment = ?, row = ? WHERE id = ?", sentences)
            connection.execute("DELETE FROM segments WHERE folder = ?", (segment.info.number,))
            connection.execute("DELETE FROM folders WHERE number = ?", (segment.info.number,))
        catalog_write.write_digests(connection, moved)
        for name, value in settings.items():
            catalog_write.set_value(connection, name, value)


def _moved_studies(connection: sqlite3.Connection, folders: list[int]) -> list[int]:
    """Return the row ids of the studies with vectors in these folders."""
    inside = f"segment IN (SELECT number FROM segments WHERE folder IN ({','.join('?' * len(folders))}))"
    rows = connection.execute(
        f"SELECT study FROM views WHERE {inside} UNION SELECT study FROM sentences WHERE {inside}",
        [*folders, *folders],
    )
    return [row[0] for row in rows]


def _copy(
    catalog: Catalog, folder: Path, dim: int, old: Segment, places: Places, number: int, pool: Pool | None
) -> Rewritten:
    """Write the live rows of a folder as folder and segment `number`; return the catalogue's changes."""
    old.check_hashes()  # a changed byte must not get a new, right hash
    live = (
        "JOIN segments g ON g.number = t.segment JOIN studies s ON s.id = t.study "
        "WHERE s.removed IS NULL AND g.folder = ? ORDER BY t.segment, t.row"
    )
    views = _columns(catalog, f"SELECT t.id, t.segment, t.row, t.start, t.count FROM views t {live}", old)
    sentences = _columns(catalog, f"SELECT t.id, t.segment, t.row FROM sentences t {live}", old)
    view_rows = (views[2] + places.first["views"][places.find(views[1])]).tolist()
    starts = (views[3] + places.first["slices"][places.find(views[1])]).tolist()
    slices = [old.rows("slices", start, start + n) for start, n in zip(starts, views[4].tolist(), strict=True)]
    has_text = catalog.has_text()  # else sentences have no vectors
    at = places.first["sentences"][places.find(sentences[1])]
    sentence_rows = (sentences[2] + at).tolist() if has_text else []
    parts = {
        "slices": slices,
        "views": [old.rows("views", row, row + 1) for row in view_rows]
        if pool is None
        else [pool(rows)[None] for rows in slices],
        "sentences": [old.rows("sentences", row, row + 1) for row in sentence_rows],
    }
    info = write_segment(folder, number, dim, parts)
    now = np.cumsum(views[4]) - views[4]
    view_changes = [
        (number, i, start, view) for i, (start, view) in enumerate(zip(now.tolist(), views[0].tolist(), strict=True))
    ]
    return old, info, view_changes, [(number, i, sentence) for i, sentence in enumerate(sentences[0].tolist())]


def _columns(catalog: Catalog, sql: str, old: Segment) -> NDArray[np.int64]:
    rows = catalog.query(sql, (old.info.number,))
    return np.array(rows, np.int64).T if rows else np.zeros((5, 0), np.int64)


def _delete_removed(connection: sqlite3.Connection) -> None:
    gone = "(SELECT id FROM studies WHERE removed IS NOT NULL)"
    connection.execute(f"DELETE FROM words WHERE rowid IN (SELECT id FROM sentences WHERE study IN {gone})")
    for table in ("sentences", "views", "series"):
        connection.execute(f"DELETE FROM {table} WHERE study IN {gone}")
    connection.execute("DELETE FROM studies WHERE removed IS NOT NULL")
