"""A site that is an open index: what `serve` answers others with, and what stands beside them in one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from radseek.retrieval.index.kept_closeness import KnownCloseness
from radseek.retrieval.index.store import Scope, Store, WordStatistics
from radseek.retrieval.search.filter_check import checked_where, what_is_left
from radseek.retrieval.search.ranking import rank_read
from radseek.retrieval.search.similar_cases import Comparison
from radseek.retrieval.search.sites.site import (
    FoundCases,
    FoundImages,
    FoundSentences,
    ImagesAsked,
    ReportsKept,
    SentencesAsked,
    SimilarAsked,
)

__all__ = ["StoredSite"]


class StoredSite:
    """Implements `radseek.retrieval.search.sites.site.Site` over a store, which stays its opener's to close."""

    def __init__(self, name: str, store: Store, known: KnownCloseness | None = None, *, reports: bool = True) -> None:
        """Take a store. `known`: how near its studies lie to each other; `reports`: let out what reports say."""
        self._name = name
        self._store = store
        self._known = KnownCloseness(store) if known is None else known
        self._reports = reports

    @property
    def name(self) -> str:
        """Return the index's name."""
        return self._name

    def similar(self, asked: SimilarAsked) -> FoundCases:
        """Return the k nearest cases that are close enough."""
        query = asked.query
        patients = frozenset() if asked.include_same_patient else frozenset({query.patient_key} - {""})
        own = frozenset({query.key, query.stored_as} - {""})
        scope = Scope(checked_where(asked.where, self._store), None, own, patients)
        comparison = Comparison(self._store, query, scope, asked.words, asked.is_region, self._known)
        found = comparison.nearest(asked.k)
        rows = found.rows if self._reports else tuple(replace(row, report=None) for row in found.rows)
        # Why there is nothing is told with counts of what is stored.
        notes = (*(comparison.why_nothing(found) if self._reports else ()), *found.notes)
        return FoundCases(rows, comparison.floor, found.nothing, notes)

    def images(self, asked: ImagesAsked) -> FoundImages:
        """Return the k best studies for words."""
        scope = self._scope(asked.where)
        found = rank_read(self._store, asked.views, asked.vector, asked.k, scope)
        notes = what_is_left(scope, self._store) if self._reports else ()
        return FoundImages(tuple(found), self._paths([one.hit.study for one in found]), notes)

    def word_statistics(self, words: str) -> WordStatistics:
        """Return how many sentences have each of the words."""
        self._require_reports()
        return self._store.word_statistics(words)

    def sentences(self, asked: SentencesAsked) -> FoundSentences:
        """Return the best sentences."""
        self._require_reports()
        scope = self._scope(asked.where)
        hits = self._store.search_sentences(asked.vector, asked.words, asked.depth, scope, asked.statistics)
        return FoundSentences(tuple(hits), self._paths([hit.study for hit in hits]), what_is_left(scope, self._store))

    def _scope(self, where: Sequence[str]) -> Scope:
        return Scope(checked_where(where, self._store))

    def _paths(self, keys: Sequence[str]) -> dict[str, str | None]:
        return {case.key: case.path for case in self._store.cases(studies=keys)} if keys else {}

    def _require_reports(self) -> None:
        if not self._reports:
            raise ReportsKept
