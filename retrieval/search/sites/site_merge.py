"""The answers of several sites as one: the order that one index of all their studies would give.

A study's score is its own and no other study's, so the best of all are among each site's best. Reports are ranked by
two orders together, so sites are asked for the sentences and their scores, with BM25 of one collection, and both orders
are made here. A study that two sites hold under one key counts once, from the site asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.store import Scope, SentenceHit
from radseek.retrieval.search.close_enough import NothingClose
from radseek.retrieval.search.ranking import RankedImage
from radseek.retrieval.search.search_results import SimilarRow
from radseek.retrieval.search.sites.site import FoundCases, FoundImages, FoundSentences

__all__ = ["JoinedSentences", "merge_cases", "merge_images", "nearest_nothing"]

_T = TypeVar("_T")


def merge_cases(found: Mapping[str, FoundCases], k: int) -> tuple[SimilarRow, ...]:
    """Return the k best cases of all sites, best first, ties by key, each with its site's name."""
    rows = [replace(row, site=site) for site, one in found.items() for row in one.rows]
    rows.sort(key=lambda row: (-row.score, row.study))
    best = _once(rows, lambda row: row.study)
    return tuple(replace(row, rank=rank) for rank, row in zip(range(1, k + 1), best, strict=False))


def nearest_nothing(found: Iterable[FoundCases]) -> NothingClose | None:
    """Return, where no site has a case that is close enough, the nearest that is not."""
    found = list(found)
    missed = [one.nothing for one in found if one.nothing is not None]
    return max(missed, key=lambda one: one.best, default=None) if not any(one.rows for one in found) else None


def merge_images(found: Mapping[str, FoundImages], k: int) -> list[tuple[str, RankedImage]]:
    """Return the k best studies of all sites with their sites: those in which the words are read first, ties by key."""
    images = [(site, one) for site, answer in found.items() for one in answer.images]
    images.sort(key=lambda one: (not one[1].is_read, -one[1].hit.similarity, one[1].hit.study))
    return [one for _, one in zip(range(k), _once(images, lambda one: one[1].hit.study), strict=False)]


class JoinedSentences:
    """The sentences of several sites as one index's: `ask` has every site asked for its best `depth`."""

    def __init__(self, ask: Callable[[int], Mapping[str, FoundSentences]]) -> None:
        self._ask = ask
        self.site_of: dict[str, str] = {}  # of the studies that were found
        self.found: Mapping[str, FoundSentences] = {}

    def search_sentences(
        self, query: NDArray[np.floating] | None, text: str, k: int, scope: Scope | None = None
    ) -> list[SentenceHit]:
        """Return the union of the k best by cosine and by keyword, in key order. What is asked is known already."""
        self.found = self._ask(k)
        hits: dict[tuple[str, int], SentenceHit] = {}
        for site, one in self.found.items():
            for hit in one.hits:
                if self.site_of.setdefault(hit.study, site) == site:
                    hits[hit.study, hit.ordinal] = hit
        dense = _ranks(
            (hit for hit in hits.values() if hit.dense_rank is not None), lambda hit: hit.similarity or 0.0, k
        )
        scored = (hit for hit in hits.values() if hit.keyword_score is not None)
        keyword = _ranks(scored, lambda hit: hit.keyword_score or 0.0, k)
        return [
            replace(hits[place], dense_rank=dense.get(place), keyword_rank=keyword.get(place))
            for place in sorted({*dense, *keyword})
        ]


def _ranks(hits: Iterable[SentenceHit], worth: Callable[[SentenceHit], float], k: int) -> dict[tuple[str, int], int]:
    """Return the ranks of the k best hits, ties by key and place in the report."""
    best = sorted(hits, key=lambda hit: (-worth(hit), hit.study, hit.ordinal))[:k]
    return {(hit.study, hit.ordinal): rank for rank, hit in enumerate(best, 1)}


def _once(rows: Sequence[_T], name: Callable[[_T], Hashable]) -> Iterator[_T]:
    met: set[Hashable] = set()
    for row in rows:
        if name(row) not in met:
            met.add(name(row))
            yield row
