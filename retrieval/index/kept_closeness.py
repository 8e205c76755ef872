"""Keeps in an index's manifest how near its studies lie to each other, so that only a build has to measure it.

It is derived: what is kept counts only for the very generation and pooling that it was measured of, and only where its
own checksum holds; else it is measured again, in memory, when a question first needs it. So an index of an earlier
radseek, or one that was changed since its last build, answers as any other does, a little later.
"""

from __future__ import annotations

from threading import RLock

from radseek.retrieval.index.closeness import Closeness, measure_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import read_manifest, write_closeness
from radseek.retrieval.index.store import Store

__all__ = ["KnownCloseness", "keep_closeness"]


class KnownCloseness:
    """How near the studies of one open index lie to each other: read where it is kept, else measured once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = RLock()
        self._known: Closeness | None = None

    def get(self) -> Closeness:
        """Return it for the store's generation."""
        with self._lock:
            if self._known is None or self._known.generation != self.store.generation:
                self._known = _kept(self.store) or measure_closeness(self.store)
            return self._known


def keep_closeness(store: LocalStore) -> None:
    """Measure an index that is open for writing, and keep it, unless what is kept is that of its present state."""
    if _kept(store) is None:
        write_closeness(store.path, measure_closeness(store).to_dict())


def _kept(store: Store) -> Closeness | None:
    """Return what the manifest of a store keeps, where it is of the store's generation and pooling."""
    document = read_manifest(store.path).closeness if isinstance(store, LocalStore) else None
    if document is None:
        return None
    try:
        kept = Closeness.from_dict(document)
    except (KeyError, TypeError, ValueError):
        return None
    fits = (kept.generation, kept.pooling) == (store.generation, store.spec.pooling_hash)
    return kept if fits else None
