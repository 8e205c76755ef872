"""Bring a collection to the state of an index: what is gone is deleted there, what lacks is sent or put into files."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexBusyError, UsageError
from radseek.retrieval.index.milvus.import_files import ImportFiles
from radseek.retrieval.index.milvus.index_state import finished_stamp, pushing_stamp, stands_for
from radseek.retrieval.index.milvus.view_collection import ViewCollection
from radseek.retrieval.index.milvus.view_rows import CollectionRows, PinnedViews

__all__ = ["PushReport", "push_views"]

Progress = Callable[[str, int, int], None]
_SAMPLE = 256  # rows that are looked at to tell another index's collection


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, in views: `sent` to Milvus, `written` to `files` for its bulk import, `deleted`, `kept`."""

    collection: str
    generation: int
    sent: int = 0
    written: int = 0
    deleted: int = 0
    kept: int = 0
    files: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "files": list(self.files)}


def push_views(
    views: PinnedViews, collection: ViewCollection, index_type: str, folder: Path | None, progress: Progress
) -> PushReport:
    """Make the collection hold exactly these views; what it holds of them already is not sent again.

    Args:
        views: of an index's generation.
        collection: made if it is not there.
        index_type: of a collection that is made.
        folder: where what lacks is written for a bulk import, in place of being sent; a later push then checks it.
        progress: told what is done.

    Returns:
        What was done. With a `folder` the collection holds no finished state yet, unless nothing was lacking.

    Raises:
        UsageError: the collection holds vectors of another index or width.
        IndexBusyError: another push is under way.
        UnreachableError: Milvus does not answer.
    """
    report = PushReport(collection.name, views.generation)
    if not collection.exists():
        collection.make(views.spec.dim, index_type)
    if collection.dim() != views.spec.dim:
        raise _another(collection)
    collection.load()
    if stands_for(collection.stamp(), views.state):
        return replace(report, kept=len(views.table.id))
    number = secrets.token_hex(8)
    ids, marks = _listed(views, collection, number)
    with ExitStack() as stack:
        files = None if folder is None else stack.enter_context(ImportFiles(folder, views.spec.dim))
        # What was imported twice is there twice, perhaps in two versions; deleting a number deletes both.
        gone = ~np.isin(ids, views.table.id) | np.isin(ids, ids[1:][np.diff(ids) == 0])
        collection.delete(np.unique(ids[gone]))
        report = replace(report, deleted=int(gone.sum()))
        ids, marks = ids[~gone], marks[~gone]
        for part in views.parts():
            _check_is_ours(collection, number)
            report = _one_part(part, ids, marks, collection, files, report)
            progress("push", report.kept + report.sent + report.written, len(views.table.id))
    if files is not None and files.files:
        return replace(report, files=tuple(files.files))
    collection.flush()
    _check_is_ours(collection, number)
    collection.write_stamp(finished_stamp(views.state, number), views.spec.dim)
    return report


def _listed(views: PinnedViews, collection: ViewCollection, number: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what is there, from a moment on at which this push is known to be under way."""
    before = collection.stamp()
    collection.write_stamp(pushing_stamp(number), views.spec.dim)
    ids, marks = collection.marks()
    if len(ids) and len(views.table.id):
        common = np.flatnonzero(np.isin(views.table.id, ids))[:_SAMPLE]
        if not any(_compared(part, ids, marks)[1].any() for part in views.parts(common)):
            collection.write_stamp(before, views.spec.dim)
            raise _another(collection)
    return ids, marks


def _one_part(
    part: CollectionRows,
    ids: NDArray[np.int64],
    marks: NDArray[np.int64],
    collection: ViewCollection,
    files: ImportFiles | None,
    report: PushReport,
) -> PushReport:
    """Send or write what lacks of a part. `ids (N,)`, ascending, and `marks (N,)`: of the rows that are there."""
    there, same = _compared(part, ids, marks)
    lacking = part.rows(~same)
    stale = part.ids[there & ~same]
    collection.delete(stale)
    if files is None:
        collection.insert(lacking)
    else:
        files.write(lacking)
    sent, written = (len(lacking), 0) if files is None else (0, len(lacking))
    return replace(
        report,
        sent=report.sent + sent,
        written=report.written + written,
        deleted=report.deleted + len(stale),
        kept=report.kept + int(same.sum()),
    )


def _compared(
    part: CollectionRows, ids: NDArray[np.int64], marks: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows of a part are there, and which are there as they are here."""
    if not len(ids):
        return np.zeros(len(part.ids), bool), np.zeros(len(part.ids), bool)
    at = np.minimum(np.searchsorted(ids, part.ids), len(ids) - 1)
    there = ids[at] == part.ids
    return there, there & (marks[at] == part.marks)


def _check_is_ours(collection: ViewCollection, number: str) -> None:
    """Raise `IndexBusyError` where another push has begun: rows are mixed then, and no stamp may stand for them."""
    if collection.stamp() != pushing_stamp(number):
        collection.write_stamp("", collection.dim())
        raise IndexBusyError(
            f"Another push to {collection.name} at {collection.uri} is under way; when it has ended, push again."
        )


def _another(collection: ViewCollection) -> UsageError:
    return UsageError(
        f"The collection {collection.name} at {collection.uri} holds nothing of this index, but of one of the same "
        "name, or of its state before it was pooled anew; --replace makes it again, or rename the index folder."
    )
