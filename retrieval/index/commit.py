"""The two writes of an index, add and remove: files first, then the one transaction that makes them exist."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from radseek.retrieval.disk_errors import require_room
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.catalog_read import live_keys
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.forgetting import hide
from radseek.retrieval.index.segments.packing import PackedStudy, Packing
from radseek.retrieval.index.segments.segment_folders import segment_bytes, write_segment
from radseek.retrieval.index.store import StudyRecord

__all__ = ["add", "commit_bytes", "remove"]

_log: Final = logging.getLogger(__name__)

_ROW_COPIES = 4  # SQLite's log, the file that it is moved to, the keyword index, both again for pages half full
_VIEW_BYTES = 256  # a view's row and its entries in the indexes
_FIRST_PAGES = 128 << 10  # pages that any commit touches, in two files and their logs


def add(
    catalog: Catalog,
    linkage: LinkageFile,
    folder: Path,
    dim: int,
    records: Iterable[StudyRecord],
    *,
    replace_existing: bool,
) -> None:
    """Write records as one segment and one transaction. With no records nothing changes.

    The linkage is written first: a killed writer may leave linkage of a study that is not there, and never
    a study without its linkage. Raises `StorageError` before anything is written where the disk lacks room.
    """
    packing = Packing(dim, catalog.has_text())
    packing.add_all(records)
    keys = [packed.record.key for packed in packing.studies]
    if not keys:
        return
    generation = catalog.generation()
    existing = live_keys(catalog, keys, generation)
    if existing and not replace_existing:
        raise UsageError(f"Study {min(existing)} is in the index already; leave it out, or replace it.")
    require_room(folder, commit_bytes(packing) + catalog.log_bytes())
    linkage.put(packed.record for packed in packing.studies)
    number = catalog.next_folder()
    info = write_segment(folder, number, dim, packing.parts)
    try:
        with catalog.transaction() as connection:
            catalog_write.insert_segment(connection, info)
            catalog_write.mark_removed(connection, existing, generation + 1)
            ids = [catalog_write.insert_study(connection, one, number, generation + 1) for one in packing.studies]
            catalog_write.write_digests(connection, ids)
            catalog_write.set_value(connection, "generation", str(generation + 1))
    except BaseException:
        shutil.rmtree(folder / info.folder_name, ignore_errors=True)
        raise
    _log.info("%d studies committed to %s, generation %d", len(keys), folder, generation + 1)


def commit_bytes(packing: Packing) -> int:
    """Return about how many bytes a commit writes: its vectors once, its rows to logs, files and indexes."""
    rows = sum(_row_bytes(packed) for packed in packing.studies)
    return segment_bytes(packing.parts) + _ROW_COPIES * rows + _FIRST_PAGES


def _row_bytes(packed: PackedStudy) -> int:
    record = packed.record
    texts = [record.report, *record.sentences, *record.linkage.paths, *map(str, record.attributes.values())]
    texts += [str(dict(series.provenance)) for series in record.series]
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + sum(
        len(view.z) + len(view.position) + _VIEW_BYTES for view in packed.views
    )


def remove(catalog: Catalog, linkage: LinkageFile, keys: Collection[str]) -> None:
    """Hide studies, then delete their linkage. A kill between the two leaves linkage that a compaction deletes."""
    hide(catalog, keys, forgotten=())
    linkage.drop(keys)
