"""Forgetting studies and patients for good: what is on disk of them, and what an earlier, cut-short run left to do.

The order is such that a run that was killed, or met a full disk, is finished by running it again: one transaction
hides the studies and notes them as forgotten; linkage, vectors, rows and freed pages go after it, and each of these
steps says by itself, from what is on disk, whether it is still to be done.
"""

from __future__ import annotations

from collections.abc import Collection

from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.catalog.sqlite_file import batches
from radseek.retrieval.privacy.pseudonyms import forgotten_mark

__all__ = ["hide", "known_forgotten", "sweep", "traces", "unfinished"]


def traces(
    catalog: Catalog, linkage: LinkageFile, studies: Collection[str], patients: Collection[str], ids: Collection[str]
) -> set[str]:
    """Return the keys of studies of which the index or its linkage still has a row, live or hidden.

    `studies` and `patients` are keys, `ids` the patients' original ones, by which the linkage knows them.
    """
    found: set[str] = linkage.known(studies, ids)
    for column, keys in (("key", studies), ("patient", {one for one in patients if one})):
        for batch in batches(keys):
            marks = ",".join("?" * len(batch))
            found.update(row[0] for row in catalog.query(f"SELECT key FROM studies WHERE {column} IN ({marks})", batch))
    return found


def known_forgotten(catalog: Catalog, pseudonyms: Collection[str]) -> set[str]:
    """Return which of these keys of studies and patients were forgotten."""
    by_mark = {forgotten_mark(one): one for one in pseudonyms if one}
    found: set[str] = set()
    for batch in batches(by_mark):
        marks = ",".join("?" * len(batch))
        rows = catalog.query(f"SELECT mark FROM forgotten WHERE mark IN ({marks})", batch)
        found.update(by_mark[row[0]] for row in rows)
    return found


def hide(catalog: Catalog, studies: Collection[str], forgotten: Collection[str]) -> None:
    """Hide studies and note keys of studies and patients as forgotten, in one transaction."""
    generation = catalog.generation()
    with catalog.transaction() as connection:
        catalog_write.mark_removed(connection, studies, generation + 1)
        catalog_write.mark_forgotten(connection, forgotten)
        catalog_write.set_value(connection, "generation", str(generation + 1))


def sweep(catalog: Catalog, linkage: LinkageFile) -> None:
    """Delete the linkage of whatever is not in the index, and what SQLite still holds of deleted rows.

    Linkage of before it had digests gets them.
    """
    linkage.fill_digests()
    dropped = _drop_orphans(catalog, linkage)
    deleted = catalog.needs_vacuum()  # also where a writer was killed before it got here
    if dropped or deleted:
        linkage.vacuum()
    if deleted:
        catalog.vacuum()


def _drop_orphans(catalog: Catalog, linkage: LinkageFile) -> bool:
    """Delete the linkage of whatever is not in the index: of hidden studies, and of an addition that was killed.

    Returns whether there was any.
    """
    live = {row[0] for row in catalog.query("SELECT key FROM studies WHERE removed IS NULL")}
    orphans = linkage.keys() - live
    if orphans:
        linkage.drop(orphans)
    return bool(orphans)


def unfinished(catalog: Catalog) -> bool:
    """Say whether studies were hidden whose bytes are still on disk."""
    return catalog.needs_vacuum() or bool(catalog.query("SELECT 1 FROM studies WHERE removed IS NOT NULL LIMIT 1"))
