"""MilvusStore: an index whose nearest views are found in Milvus. All else, and every score, is the folder's."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.milvus.milvus_search import MilvusSearch
from radseek.retrieval.index.milvus.push_views import Progress, PushReport, push_views
from radseek.retrieval.index.milvus.view_collection import ViewCollection, collection_name
from radseek.retrieval.index.milvus.view_rows import PinnedViews
from radseek.retrieval.index.store import Scope, ViewHit

__all__ = ["MilvusStore", "open_index", "push_index"]


class MilvusStore(LocalStore):
    """Implements `Store` for reading. Get one from `connect`; close it, or use `with`."""

    def __init__(self, path: Path, lock: FileLock | None, uri: str | None = None) -> None:
        """Open the index, and the collection that was pushed to `uri`; without an address it is a `LocalStore`."""
        super().__init__(path, lock)
        self._collection: ViewCollection | None = None
        self._searcher: MilvusSearch | None = None
        try:
            if uri is not None:
                self._collection = ViewCollection(uri, collection_name(path))
                self._collection.require()
                self._searcher = MilvusSearch(self._collection, self, self.pinned_views().state)
        except BaseException:
            self.close()
            raise

    @classmethod
    def connect(cls, path: str | Path, uri: str) -> MilvusStore:
        """Return the index in the folder `path` to read, pinned to its last generation, with its collection at `uri`.

        A collection that holds another state of the index is warned of, and not asked until it holds this one.

        Raises `UsageError` where nothing was pushed there, `UnreachableError` where nothing answers,
        `MissingExtraError` without pymilvus; and as `LocalStore.open`.
        """
        return cls(Path(path), None, uri)

    def pinned_views(self) -> PinnedViews:
        """Return the views of this generation, as they are pushed."""
        now = self._now
        return PinnedViews(self.spec, now.generation, *now.stored_views(), now.segments)

    def __enter__(self) -> MilvusStore:
        return self

    def close(self) -> None:
        """Close the files and the connection."""
        if self._collection is not None:
            self._collection.close()
        super().close()

    def is_current(self) -> bool:
        """Say what `LocalStore` does; False too where the collection was pushed to since: the index may have grown."""
        return super().is_current() and not (self._searcher is not None and self._searcher.moved_on())

    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None = None
    ) -> list[list[ViewHit]]:
        """Return for each of `(Q, D)` queries its k best views of that name, best first; ties by study key."""
        return self._now.search_views(view, queries, k, scope, self._searcher)


def open_index(path: str | Path, milvus: str | None) -> LocalStore:
    """Return an index to read, its views searched in the Milvus at an address where one is given; raises as opening."""
    return LocalStore.open(path) if milvus is None else MilvusStore.connect(path, milvus)


def push_index(
    path: str | Path,
    uri: str,
    *,
    index_type: str = "FLAT",
    replace: bool = False,
    folder: str | Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> PushReport:
    """Bring the collection of an index up to the index's last generation.

    Args:
        path: the index folder.
        uri: of Milvus, or a file for milvus-lite.
        index_type: Milvus' name for how vectors are indexed, where the collection is made: FLAT keeps answers exact.
        replace: make the collection again, whatever it holds.
        folder: write what lacks there as Parquet for a bulk import, in place of sending it.
        progress: told the stage, what is done and how much there is.

    Returns:
        What was sent, written, deleted and kept.

    Raises:
        UsageError: the collection holds another index's views.
        UnreachableError: Milvus does not answer.
        MissingExtraError: pymilvus is not installed.
    """
    path = Path(path)
    with MilvusStore(path, None) as store, closing(ViewCollection(uri, collection_name(path))) as collection:
        if replace and collection.exists():
            collection.drop()
        where = None if folder is None else Path(folder)
        return push_views(store.pinned_views(), collection, index_type, where, progress)
