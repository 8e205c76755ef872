"""The two writes of an index, add and remove: files first, then the one transaction that makes them exist."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from retrieval.errors import UsageError
from retrieval.index import catalog_write
from retrieval.index.catalog import Catalog
from retrieval.index.catalog_read import live_keys
from retrieval.index.linkage import LinkageFile
from retrieval.index.packing import Packing
from retrieval.index.segments import write_segment
from retrieval.index.store import StudyRecord

__all__ = ["add", "remove"]


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
    a study without its linkage.
    """
    packing = Packing(dim)
    packing.add_all(records)
    keys = [packed.record.key for packed in packing.studies]
    if not keys:
        return
    generation = catalog.generation()
    existing = live_keys(catalog, keys, generation)
    if existing and not replace_existing:
        raise UsageError(f"Study {min(existing)} is in the index already; leave it out, or replace it.")
    linkage.put(packed.record for packed in packing.studies)
    number = catalog.next_segment()
    info = write_segment(folder, number, dim, packing.parts)
    try:
        with catalog.transaction() as connection:
            catalog_write.insert_segment(connection, info)
            catalog_write.mark_removed(connection, existing, generation + 1)
            for packed in packing.studies:
                catalog_write.insert_study(connection, packed, number, generation + 1)
            catalog_write.set_value(connection, "generation", str(generation + 1))
    except BaseException:
        shutil.rmtree(folder / info.folder_name, ignore_errors=True)
        raise


def remove(catalog: Catalog, linkage: LinkageFile | None, keys: Collection[str]) -> None:
    """Delete the linkage of studies, then hide them. A kill between the two leaves them there without a path."""
    if linkage is not None:
        linkage.drop(keys)
    generation = catalog.generation()
    with catalog.transaction() as connection:
        catalog_write.mark_removed(connection, keys, generation + 1)
        catalog_write.set_value(connection, "generation", str(generation + 1))
