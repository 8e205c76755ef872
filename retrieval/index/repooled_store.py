"""A store seen through another pooling: its views are pooled again in memory, from their stored slice vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import pool_view
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.store import (
    Case,
    Scope,
    SentenceHit,
    SentenceQuery,
    SliceHit,
    Store,
    StudyRecord,
    Together,
    TopMeans,
    TopQuery,
    ViewHit,
    WordStatistics,
)
from radseek.retrieval.index.vectors.exact_search import FlatIndex
from radseek.retrieval.index.vectors.vector_table import StoredVectors
from radseek.retrieval.types import ViewVectors

__all__ = ["RepooledStore"]

_Named = tuple[FlatIndex, list[str], list[str]]  # vectors, and each row's study and series


class RepooledStore(StoredVectors):
    """Implements `Store` for reading. Nothing is written; `LocalStore.repool` makes the same lasting."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder
        self._views: dict[str, _Named] | None = None

    @property
    def spec(self) -> EncoderSpec:
        """Return the encoder whose pooling is used."""
        return self._encoder.spec

    @property
    def generation(self) -> int:
        """Return the store's generation."""
        return self._store.generation

    def add(self, records: Iterable[StudyRecord]) -> int:
        """Refuse: raises `UsageError`."""
        raise UsageError(
            "This index is open with another pooling, for reading alone. Add to it with `radseek build`, which "
            "pools it again first, or open it without a pooling of your own."
        )

    def remove(self, studies: Collection[str]) -> int:
        """Hide studies, as the store does."""
        self._views = None
        return self._store.remove(studies)

    def counts(self) -> dict[str, int]:
        """Return the store's counts."""
        return self._store.counts()

    def cases(
        self,
        scope: Scope | None = None,
        *,
        studies: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Case]:
        """Return the store's cases."""
        return self._store.cases(scope, studies=studies, offset=offset, limit=limit)

    def study_keys(self, scope: Scope | None = None) -> list[str]:
        """Return the store's keys."""
        return self._store.study_keys(scope)

    def kinds(self) -> list[tuple[str, str]]:
        """Return every pair of modality and body part that a series has, ascending."""
        return self._store.kinds()

    def values_of(self, field: str, scope: Scope | None = None) -> dict[str, int]:
        """Return the store's values."""
        return self._store.values_of(field, scope)

    def own_columns(self) -> dict[str, bool]:
        """Return the store's own columns."""
        return self._store.own_columns()

    def passing(self, scope: Scope) -> int:
        """Return the store's count."""
        return self._store.passing(scope)

    def slice_vectors(self, study: str) -> tuple[ViewVectors, ...]:
        """Return the store's views, pooled again."""
        return tuple(
            replace(view, pooled=pool_view(self._encoder, view.slices)) for view in self._store.slice_vectors(study)
        )

    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None = None
    ) -> list[list[ViewHit]]:
        """Return for each of `(Q, D)` queries its k best views of that name, by their new pooled vectors."""
        if self._views is None:
            self._views = self._pool_all()
        if view not in self._views:
            return [[] for _ in queries]
        index, studies, series = self._views[view]
        inside = set(self._store.study_keys(scope))
        allowed = np.array([study in inside for study in studies], bool)
        order = np.arange(len(studies))  # already in key order
        found = [index.search(query, k, allowed, order) for query in queries]
        return [
            [ViewHit(studies[r], series[r], view, float(s)) for r, s in zip(rows, scores, strict=True)]
            for rows, scores in found
        ]

    def search_slices(self, query: NDArray[np.floating], k: int, scope: Scope | None = None) -> list[SliceHit]:
        """Return the store's answer; slices know no pooling."""
        return self._store.search_slices(query, k, scope)

    def word_statistics(self, text: str) -> WordStatistics:
        """Return what BM25 needs to know of the words of `text`."""
        return self._store.word_statistics(text)

    def search_sentences(
        self, query: SentenceQuery, text: str, k: int, scope: Scope | None = None, statistics: Together = None
    ) -> list[SentenceHit]:
        """Return the store's answer; sentences know no pooling."""
        return self._store.search_sentences(query, text, k, scope, statistics)

    def top_means(self, query: TopQuery, scope: Scope | None = None) -> Iterator[TopMeans]:
        """Return the store's answer; slices know no pooling."""
        return self._store.top_means(query, scope)

    def _pool_all(self) -> dict[str, _Named]:
        found: dict[str, list[tuple[NDArray[np.float16], str, str]]] = {}
        for key in self._store.study_keys():
            for view in self.slice_vectors(key):
                found.setdefault(view.view, []).append((view.pooled, key, view.series_key))
        return {
            name: (FlatIndex(np.stack([row for row, _, _ in rows])), [s for _, s, _ in rows], [s for _, _, s in rows])
            for name, rows in found.items()
        }
