"""Finding studies: by another study's views, by words, and by what reports say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.index.store import Scope, SentenceHit, SliceHit, Store
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.scoring.margins import views_read
from radseek.retrieval.search.text_query import TextQuery
from radseek.retrieval.types import ViewVectors

__all__ = [
    "Match",
    "QueryView",
    "RankedImage",
    "RankedSentence",
    "RankedStudy",
    "SearchesSentences",
    "match_slices",
    "rank_images",
    "rank_read",
    "rank_sentences",
    "rank_studies",
    "score_studies",
]

MATCHES = 3  # slice pairs shown a study
_EVERYTHING = 1 << 30
_FIRST_FETCH = 64  # views asked for at first, a query view
_DEPTH = 200  # sentences asked of each way of searching, at least
_DEEPEST = 12_800  # and at most, where what is left is below the floor
_FUSION = 60  # the constant of reciprocal-rank fusion (Cormack et al., 2009)
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class QueryView:
    """A view of the query: its name and the `(D,)` vector that stored views of that name are compared with."""

    view: str
    vector: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class RankedStudy:
    """A study found, and its score."""

    study: str
    score: float


@dataclass(frozen=True, slots=True)
class Match:
    """A slice of the query and the slice of the case that it resembles, both zero-based Z of their Volumes."""

    view: str
    query_slice: int
    case_slice: int
    similarity: float


@dataclass(frozen=True, slots=True)
class RankedImage:
    """A study's best slice for words. `is_read`: whether what they name is read in any view of the study."""

    hit: SliceHit
    is_read: bool


@dataclass(frozen=True, slots=True)
class RankedSentence:
    """A sentence found, its fused score, and what it says of what was asked."""

    hit: SentenceHit
    score: float
    polarity: Polarity | None


class SearchesSentences(Protocol):
    """What sentences are asked of: an index, or several as one."""

    def search_sentences(
        self, query: NDArray[np.floating] | None, text: str, k: int, scope: Scope | None = None
    ) -> list[SentenceHit]:
        """Return the best report sentences, as `Store` does."""
        ...


def rank_studies(store: Store, views: Sequence[QueryView], k: int, scope: Scope) -> list[RankedStudy]:
    """Return the k studies most like the query, best first, ties by key.

    A study's score is the mean over the query's views of its best cosine among the study's views of that name;
    a name that the study lacks counts 0. Only studies that share at least one name are compared.

    Views are fetched until no study that was not met can be among the k: such a study scores at most the mean of
    the last similarity fetched for each query view (0 where all views of that name were fetched, or below 0).
    """
    asked = max(_FIRST_FETCH, 4 * k)
    while views and k > 0:
        fetched = _fetch(store, views, asked, scope)
        met = frozenset(study for hits in fetched for study, _ in hits)
        ranked = score_studies(store, views, met, scope)[:k]
        complete = all(len(hits) < asked for hits in fetched)
        last = [max(hits[-1][1], 0.0) if len(hits) == asked else 0.0 for hits in fetched]
        if complete or (len(ranked) == k and ranked[-1].score > sum(last) / len(views) + _ROUNDING):
            return ranked
        asked *= 4
    return []


def score_studies(store: Store, views: Sequence[QueryView], met: frozenset[str], scope: Scope) -> list[RankedStudy]:
    """Return the studies met as `rank_studies` scores them, each by all of its views, best first, ties by key."""
    totals = dict.fromkeys(met, 0.0)
    for hits in _fetch(store, views, _EVERYTHING, replace(scope, only_studies=met)):
        best: dict[str, float] = {}
        for study, similarity in hits:  # best first
            best.setdefault(study, similarity)
        for study, similarity in best.items():
            totals[study] += similarity
    ranked = [RankedStudy(study, total / len(views)) for study, total in totals.items()]
    return sorted(ranked, key=lambda one: (-one.score, one.study))


def match_slices(query: Sequence[ViewVectors], case: Sequence[ViewVectors]) -> list[Match]:
    """Return the most alike slice pairs of views of one name, best first; no slice is used twice in a view."""
    pairs: list[Match] = []
    for one in query:
        for other in case:
            if one.view == other.view:
                pairs += _best_pairs(one, other)
    pairs.sort(key=lambda m: (-m.similarity, m.view, m.query_slice, m.case_slice))
    chosen: list[Match] = []
    used: set[tuple[str, str, int]] = set()
    for pair in pairs:
        ends = {("query", pair.view, pair.query_slice), ("case", pair.view, pair.case_slice)}
        if len(chosen) < MATCHES and not ends & used:
            chosen.append(pair)
            used |= ends
    return chosen


def rank_images(
    store: Store, findings: Iterable[Finding], vector: NDArray[np.floating], k: int, scope: Scope
) -> list[RankedImage]:
    """Return the k studies whose best slice has the highest cosine with words that name `findings`, ties by key.

    Studies in which one of the findings is read come first, since cosines of different organs do not compare: a head
    may lie nearer to "pleural effusion" than every chest. Others follow only where k is more than those.
    """
    return rank_read(store, views_read(findings), vector, k, scope)


def rank_read(
    store: Store, views: frozenset[str] | None, vector: NDArray[np.floating], k: int, scope: Scope
) -> list[RankedImage]:
    """Return what `rank_images` does, of words that are read in `views`, None for in any."""
    first = store.search_slices(vector, k, replace(scope, with_views=views))
    found = [RankedImage(hit, True) for hit in first]
    if views is not None and len(found) < k:
        others = replace(scope, not_studies=scope.not_studies | {hit.study for hit in first})
        found += [RankedImage(hit, False) for hit in store.search_slices(vector, k - len(found), others)]
    return found


def rank_sentences(
    store: SearchesSentences,
    query: TextQuery,
    vector: NDArray[np.floating] | None,
    k: int,
    scope: Scope,
    floor: float = -1.0,
) -> list[RankedSentence]:
    """Return the k best report sentences: reciprocal-rank fusion of cosine and keyword order, ties by key.

    A sentence that says the opposite of the query ("no pneumothorax" for "pneumothorax") is no match, nor is one that
    does not name what is asked and denies something else ("The lungs are clear"), nor one that does not name it and
    whose cosine is below the `floor`. So there may be fewer than k, or none. Without a `vector` by keyword alone, and
    then no sentence is near that does not name what is asked.
    """
    depth = max(_DEPTH, 4 * k)
    is_answered = cache(query.is_answered_by)  # reports repeat themselves
    while True:
        hits = store.search_sentences(vector, query.words, depth, scope)
        ranked = sorted(hits, key=lambda hit: (-_fused(hit), hit.study, hit.ordinal))
        fitting = list(islice((hit for hit in ranked if is_answered(hit.text, _is_near(hit, floor))), k))
        if len(fitting) >= k or _is_all(hits, depth, floor):
            return [RankedSentence(hit, _fused(hit), query.polarity_of(hit.text)) for hit in fitting]
        depth *= 4


def _is_all(hits: Sequence[SentenceHit], depth: int, floor: float) -> bool:
    """Say whether looking deeper can find nothing more, or no more than words that were met often enough in vain."""
    dense = [hit.similarity for hit in hits if hit.dense_rank is not None and hit.similarity is not None]
    if len(dense) < depth and len(hits) < depth:
        return True
    if not dense:
        return depth >= _DEEPEST
    words = sum(hit.keyword_rank is not None for hit in hits)
    return min(dense) < floor and (words < depth or depth >= _DEEPEST)


def _is_near(hit: SentenceHit, floor: float) -> bool:
    return hit.similarity is not None and hit.similarity >= floor


def _fetch(store: Store, views: Sequence[QueryView], k: int, scope: Scope) -> list[list[tuple[str, float]]]:
    """Return for each query view its k best stored views, as study and similarity."""
    found: list[list[tuple[str, float]]] = [[] for _ in views]
    for name in dict.fromkeys(view.view for view in views):
        places = [i for i, view in enumerate(views) if view.view == name]
        queries = np.stack([views[i].vector for i in places])
        for i, hits in zip(places, store.search_views(name, queries, k, scope), strict=True):
            found[i] = [(hit.study, hit.similarity) for hit in hits]
    return found


def _best_pairs(one: ViewVectors, other: ViewVectors) -> list[Match]:
    """Return each query slice's nearest case slice.

    Products of float16 values are exact in float64; only the last bits of their sums depend on how many rows there
    are, so those are rounded away.
    """
    similarity = np.round(one.slices.astype(np.float64) @ other.slices.astype(np.float64).T, 12)
    nearest = similarity.argmax(axis=1)
    return [Match(one.view, int(one.z[i]), int(other.z[j]), float(similarity[i, j])) for i, j in enumerate(nearest)]


def _fused(hit: SentenceHit) -> float:
    return sum(1 / (_FUSION + rank) for rank in (hit.dense_rank, hit.keyword_rank) if rank is not None)
