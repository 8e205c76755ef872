"""Rewrites segments: without removed studies (compact), or with every view pooled again (repool)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.spec import EncoderSpec
from retrieval.index import catalog_write
from retrieval.index.catalog import Catalog
from retrieval.index.digests import changed, not_as_written
from retrieval.index.segments import Segment, SegmentInfo, write_segment

__all__ = ["Pool", "compact", "repool"]

Pool = Callable[[NDArray[np.float16]], NDArray[np.float16]]
Rewritten = tuple[Segment, SegmentInfo, list[Any], list[Any]]


def compact(catalog: Catalog, folder: Path, dim: int, segments: dict[int, Segment]) -> None:
    """Delete removed studies from the segments and the catalogue's tables; their bytes go with its `vacuum`.

    Readers of earlier generations are told to open the index again. Old files go last. Studies and segments of
    before format 2 get their digests.
    """
    _delete(catalog, folder, dim, segments)
    if not catalog.has_all_digests():
        with catalog.transaction() as connection:
            catalog_write.fill_digests(connection)


def _delete(catalog: Catalog, folder: Path, dim: int, segments: dict[int, Segment]) -> None:
    if not catalog.query("SELECT 1 FROM studies WHERE removed IS NOT NULL LIMIT 1"):
        return
    touched = {
        row[0]
        for table in ("views", "sentences")
        for row in catalog.query(
            f"SELECT DISTINCT t.segment FROM {table} t JOIN studies s ON s.id = t.study WHERE s.removed IS NOT NULL"
        )
    }
    _rewrite(catalog, folder, dim, [segments[n] for n in sorted(touched)], pool=None, settings={})


def repool(
    catalog: Catalog, folder: Path, segments: dict[int, Segment], spec: EncoderSpec, pool: Pool, adapter: str
) -> None:
    """Write every segment again with its views pooled by `pool`, and make `spec` the index's.

    `adapter` names the index's own adapter (`own_pooling`), or is `""` where the pooling is the encoder's.
    """
    settings = {"encoder": json.dumps(spec.to_json()), "own_pooling": adapter}
    _rewrite(catalog, folder, spec.dim, list(segments.values()), pool=pool, settings=settings)


def _rewrite(
    catalog: Catalog, folder: Path, dim: int, old: list[Segment], pool: Pool | None, settings: dict[str, str]
) -> None:
    first, generation = catalog.next_segment(), catalog.generation() + 1
    done = [_copy(catalog, folder, dim, segment, first + i, pool) for i, segment in enumerate(old)]
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
            connection.execute("DELETE FROM segments WHERE number = ?", (segment.info.number,))
        catalog_write.write_digests(connection, moved)
        for name, value in {**settings, "generation": str(generation), "compacted": str(generation)}.items():
            catalog_write.set_value(connection, name, value)
    for segment, *_ in done:
        shutil.rmtree(folder / segment.info.folder_name, ignore_errors=True)


def _moved_studies(connection: sqlite3.Connection, segments: list[int]) -> list[int]:
    """Return the row ids of the studies with vectors in these segments."""
    marks = ",".join("?" * len(segments))
    rows = connection.execute(
        f"SELECT study FROM views WHERE segment IN ({marks}) "
        f"UNION SELECT study FROM sentences WHERE segment IN ({marks})",
        [*segments, *segments],
    )
    return [row[0] for row in rows]


def _copy(catalog: Catalog, folder: Path, dim: int, old: Segment, number: int, pool: Pool | None) -> Rewritten:
    """Write the live rows of a segment as segment `number`; return the catalogue's changes."""
    live = "JOIN studies s ON s.id = t.study WHERE s.removed IS NULL AND t.segment = ? ORDER BY t.row"
    views = catalog.query(f"SELECT t.id, t.row, t.start, t.count FROM views t {live}", (old.info.number,))
    sentences = catalog.query(f"SELECT t.id, t.row FROM sentences t {live}", (old.info.number,))
    parts: dict[str, list[NDArray[np.float16]]] = {"slices": [], "views": [], "sentences": []}
    view_changes, start = [], 0
    for place, (view, row, first, count) in enumerate(views):
        slices = np.asarray(old.array("slices")[first : first + count])
        parts["slices"].append(slices)
        parts["views"].append(np.asarray(old.array("views")[row : row + 1]) if pool is None else pool(slices)[None])
        view_changes.append((number, place, start, view))
        start += count
    parts["sentences"].append(np.asarray(old.array("sentences")[[row for _, row in sentences]]))
    info = write_segment(folder, number, dim, parts)
    return old, info, view_changes, [(number, place, s) for place, (s, _) in enumerate(sentences)]


def _delete_removed(connection: sqlite3.Connection) -> None:
    gone = "(SELECT id FROM studies WHERE removed IS NOT NULL)"
    connection.execute(f"DELETE FROM words WHERE rowid IN (SELECT id FROM sentences WHERE study IN {gone})")
    for table in ("sentences", "views", "series"):
        connection.execute(f"DELETE FROM {table} WHERE study IN {gone}")
    connection.execute("DELETE FROM studies WHERE removed IS NOT NULL")
