"""What the engine asks of an index: the `Store` protocol and the values that go in and come out.

Keys are keyed hashes (`privacy.pseudonyms`); no value here holds an original identifier except `Linkage`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.types import ViewVectors

__all__ = [
    "Case",
    "CaseSeries",
    "Linkage",
    "Scope",
    "SentenceHit",
    "SentenceQuery",
    "SeriesRecord",
    "SliceHit",
    "Store",
    "StudyRecord",
    "Together",
    "TopMeans",
    "TopQuery",
    "ViewHit",
    "WordStatistics",
    "pages",
]

_PAGE = 128  # studies


@dataclass(frozen=True, slots=True)
class Linkage:
    """The way back to the originals. Kept beside the index, never in it."""

    study_uid: str = ""
    patient_id: str = ""
    accession: str = ""
    paths: tuple[str, ...] = ()  # every file or folder that holds this content
    series_uids: tuple[str, ...] = ()  # one a series of the record, in its order
    date: str = ""  # StudyDate, as the files write it
    seen: str = ""  # a hash of the files' sizes and times when they were read; "" where their content is hashed anyway


@dataclass(frozen=True, slots=True, eq=False)
class SeriesRecord:
    """One series on its way into an index. Text must be scrubbed and attributes allow-listed already.

    `shape` and `spacing` (mm) are `(Z, Y, X)` as displayed. `views` name their series by whatever uid they
    carry; only `key` is written.
    """

    key: str
    modality: str
    body_part: str
    views: tuple[ViewVectors, ...]
    description: str = ""
    unit: str = "raw"
    shape: tuple[int, ...] = ()
    spacing: tuple[float, float, float] | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)  # JSON-able


@dataclass(frozen=True, slots=True, eq=False)
class StudyRecord:
    """One study on its way into an index.

    `attributes`: what `radseek.retrieval.privacy.scrub.allow_list` lets through. `report` and `sentences` are
    scrubbed; `sentence_vectors` is `(len(sentences), D)` float16 unit rows, or None without sentences and of an
    encoder without a text tower.
    `source_path` (relative to the source given) goes to the linkage file only.
    """

    key: str
    patient_key: str = ""
    source_path: str = ""
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    series: tuple[SeriesRecord, ...] = ()
    report: str = ""
    sentences: tuple[str, ...] = ()
    sentence_vectors: NDArray[np.float16] | None = None
    linkage: Linkage = field(default_factory=Linkage)


@dataclass(frozen=True, slots=True)
class CaseSeries:
    """One stored series, without its vectors."""

    key: str
    modality: str
    body_part: str
    description: str
    unit: str
    shape: tuple[int, ...]
    spacing: tuple[float, float, float] | None
    provenance: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """One stored study, without its vectors. `path` is None where the linkage file is absent."""

    key: str
    patient_key: str
    attributes: Mapping[str, str | int]
    series: tuple[CaseSeries, ...]
    report: str | None
    sentences: tuple[str, ...]
    path: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which studies a question is about: a filter, less some studies and some patients (by key).

    `only_studies`, where given, leaves out every other study; `with_views`, every study that has neither a view of
    one of those names nor a series of unknown modality; `kind`, every study without a series of exactly this modality
    and body part.
    """

    where: Where = field(default_factory=Where)
    only_studies: frozenset[str] | None = None
    not_studies: frozenset[str] = frozenset()
    not_patients: frozenset[str] = frozenset()
    with_views: frozenset[str] | None = None
    kind: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ViewHit:
    """A stored view near a query view: cosine `similarity` of the pooled vectors."""

    study: str
    series: str
    view: str
    similarity: float


@dataclass(frozen=True, slots=True)
class SliceHit:
    """A study's best slice for one query vector. `z` is the Volume's zero-based Z."""

    study: str
    series: str
    view: str
    z: int
    similarity: float


@dataclass(frozen=True, slots=True)
class SentenceHit:
    """A stored report sentence. `similarity` is its cosine, None where the index has no vectors of sentences;
    `keyword_rank` (from 1) and `keyword_score` (BM25) are None without a match.
    """

    study: str
    ordinal: int
    text: str
    similarity: float | None
    dense_rank: int | None
    keyword_rank: int | None
    keyword_score: float | None = None


@dataclass(frozen=True, slots=True)
class WordStatistics:
    """What BM25 needs to know of a collection of sentences: their number, that of their words, and in how many of them
    each word of a question is. `having` is None where the words are found as phrases, each index by itself.
    """

    sentences: int
    words: float
    having: tuple[int, ...] | None

    def __add__(self, other: WordStatistics) -> WordStatistics:
        """Return those of two collections together."""
        known = self.having is not None and other.having is not None and len(self.having) == len(other.having)
        both = zip(self.having or (), other.having or (), strict=False)
        having = tuple(one + another for one, another in both) if known else None
        return WordStatistics(self.sentences + other.sentences, self.words + other.words, having)


@dataclass(frozen=True, slots=True, eq=False)
class TopQuery:
    """Directions `(D, M)` that slices are multiplied with, and the share of a view's highest products that is averaged.

    `views`: only views of these names, and those of series of unknown modality; None for all.
    """

    directions: NDArray[np.float64]
    share: float
    views: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TopMeans:
    """Of `(n,)` views of one name the `means` `(n, M)` of the top share of their slices' products.

    `study`: where each view's study stands among the studies in scope, in key order. `knows_modality`: whether somebody
    said of which modality their series are. `slices` `(n,)`: how many each view has.
    """

    study: NDArray[np.int64]
    view: str
    knows_modality: bool
    means: NDArray[np.float32]
    slices: NDArray[np.int64]


SentenceQuery = NDArray[np.floating] | None  # a vector of words; None where keywords alone are asked
Together = WordStatistics | None  # of a larger collection that an index is part of; None for the index alone


class Store(Protocol):
    """An index as the engine sees it. A reader answers from one pinned generation."""

    @property
    def spec(self) -> EncoderSpec:
        """Return the encoder whose vectors are stored."""
        ...

    @property
    def generation(self) -> int:
        """Return the generation pinned by this reader, or last committed by this writer."""
        ...

    def add(self, records: Iterable[StudyRecord]) -> int:
        """Commit studies in one transaction.

        Args:
            records: the studies, text scrubbed and attributes allow-listed.

        Returns:
            The new generation.

        Raises:
            UsageError: for a study that is already there, or vectors that do not fit `spec`.
        """
        ...

    def remove(self, studies: Collection[str]) -> int:
        """Hide studies from every later reader, with their linkage.

        Args:
            studies: their keys.

        Returns:
            The new generation.
        """
        ...

    def counts(self) -> dict[str, int]:
        """Return how many studies, series, views, slices and sentences there are."""
        ...

    def cases(
        self,
        scope: Scope | None = None,
        *,
        studies: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Case]:
        """Return studies without their vectors, in key order.

        Args:
            scope: which studies; None for all.
            studies: keys; of those in scope, only these.
            offset: how many are passed over first.
            limit: the most that are returned; None for all.
        """
        ...

    def study_keys(self, scope: Scope | None = None) -> list[str]:
        """Return the keys of the studies in `scope` (None: of all), ascending."""
        ...

    def kinds(self) -> list[tuple[str, str]]:
        """Return every pair of modality and body part that a series has, ascending."""
        ...

    def values_of(self, field: str, scope: Scope | None = None) -> dict[str, int]:
        """Return how many studies have each stored value of a filter's field, less the unknown.

        Args:
            field: such as sex or modality.
            scope: which studies; None for all.
        """
        ...

    def own_columns(self) -> dict[str, bool]:
        """Return the columns that whoever built the archive brought, each with whether it holds numbers alone."""
        ...

    def passing(self, scope: Scope) -> int:
        """Return how many studies are in `scope` (None: all)."""
        ...

    def slice_vectors(self, study: str) -> tuple[ViewVectors, ...]:
        """Return a study's views in the order they were added; `series_key` is the series' key.

        Args:
            study: its key.

        Raises:
            UnknownNameError: for a study that is not there.
        """
        ...

    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None = None
    ) -> list[list[ViewHit]]:
        """Return the nearest stored views of one name.

        Args:
            view: the name, such as `lung` or `mr_t1`.
            queries: pooled unit vectors `(Q, D)`.
            k: how many for each.
            scope: which studies; None for all.

        Returns:
            For each query its k best views by cosine, best first; ties by study key.
        """
        ...

    def search_slices(self, query: NDArray[np.floating], k: int, scope: Scope | None = None) -> list[SliceHit]:
        """Return the studies with the nearest slices, each by its best one.

        Args:
            query: a unit vector `(D,)`.
            k: how many studies.
            scope: which studies; None for all.

        Returns:
            Their best slices by cosine, best first; ties by study key.
        """
        ...

    def word_statistics(self, text: str) -> WordStatistics:
        """Return what BM25 needs to know of the words of `text`, so that several indexes can rank as one."""
        ...

    def search_sentences(
        self, query: SentenceQuery, text: str, k: int, scope: Scope | None = None, statistics: Together = None
    ) -> list[SentenceHit]:
        """Return the best report sentences, by meaning and by keyword.

        Args:
            query: a unit vector `(D,)` of the question.
            text: its words, for BM25 over the keyword index.
            k: how many each way.
            scope: which studies; None for all.
            statistics: of the words in a larger collection that this index is part of; None for this index alone.

        Returns:
            The union of both ways, in key order, with the rank that each way gives; one to k each.
        """
        ...

    def top_means(self, query: TopQuery, scope: Scope | None = None) -> Iterator[TopMeans]:
        """Yield, block by block, each view's mean of the top `ceil(share * N)` of its N slices' products.

        Args:
            query: the directions, the share and the views meant.
            scope: which studies; None for all.
        """
        ...


def pages(store: Store, scope: Scope | None = None) -> Iterator[Case]:
    """Yield the studies in scope, in key order, read page by page: no more than a page of them is held."""
    for offset in count(0, _PAGE):
        page = store.cases(scope, offset=offset, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
