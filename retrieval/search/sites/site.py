"""What a site is asked and what it answers: values that may travel, and the `Site` protocol.

What travels to a site: vectors, pseudonyms to leave out, filters, and for reports the words. Never an image, a path or
an original identifier. What comes back: pseudonyms, scores and slice numbers, and sentences of reports where the site
lets them out; never a stored vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.index.store import SentenceHit, WordStatistics
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.search.close_enough import NothingClose
from radseek.retrieval.search.ranking import RankedImage
from radseek.retrieval.search.search_results import SimilarRow

__all__ = [
    "EncoderHashes",
    "FoundCases",
    "FoundImages",
    "FoundSentences",
    "ImagesAsked",
    "ReportsKept",
    "SentencesAsked",
    "SimilarAsked",
    "Site",
]


@dataclass(frozen=True, slots=True)
class EncoderHashes:
    """The three hashes of the encoder that vectors are of; only equal ones compare."""

    imaging: str
    towers: str
    pooling: str

    @classmethod
    def of(cls, spec: EncoderSpec) -> EncoderHashes:
        """Return those of an encoder."""
        return cls(spec.imaging_hash, spec.towers_hash, spec.pooling_hash)

    def differences(self, other: EncoderHashes) -> list[str]:
        """Return in words what two encoders differ in."""
        names = {"imaging": "the imaging recipe", "towers": "the towers", "pooling": "the pooling of slices"}
        return [words for name, words in names.items() if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True, eq=False)
class SimilarAsked:
    """A study's vectors, and what is wanted.

    `query`: with its key, and its patient's, to be left out; `words`: a unit vector `(D,)` that is added, or None;
    `is_region`: whether the vectors are of a masked region.
    """

    query: StudyVectors
    k: int
    where: tuple[str, ...]
    words: NDArray[np.floating] | None
    is_region: bool
    include_same_patient: bool


@dataclass(frozen=True, slots=True)
class FoundCases:
    """A site's nearest cases that are close enough; the rest as for `SimilarResult`."""

    rows: tuple[SimilarRow, ...]
    floor: float | None = None
    nothing: NothingClose | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ImagesAsked:
    """A unit vector `(D,)` of words, and the views in which what they name is read; None for all."""

    vector: NDArray[np.floating]
    views: frozenset[str] | None
    k: int
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundImages:
    """A site's best studies for words, those in which they are read first; `paths` by study, {} from elsewhere."""

    images: tuple[RankedImage, ...]
    paths: dict[str, str | None]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SentencesAsked:
    """A unit vector `(D,)` of words and the words themselves; `statistics`: of these words at all sites together."""

    vector: NDArray[np.floating]
    words: str
    depth: int
    where: tuple[str, ...]
    statistics: WordStatistics | None


@dataclass(frozen=True, slots=True)
class FoundSentences:
    """A site's best sentences each way, with their `keyword_score`; `paths` by study, {} from elsewhere."""

    hits: tuple[SentenceHit, ...]
    paths: dict[str, str | None]
    notes: tuple[str, ...] = ()


class ReportsKept(Exception):  # noqa: N818 - no error: the site answers, and this is its answer
    """A site lets nothing of its reports out."""


class Site(Protocol):
    """An archive that answers. All raise `UsageError` or `UnknownNameError` for a filter that means nothing there,
    `UnreachableError` where it does not answer, and `EncoderMismatchError` where it holds other vectors.
    """

    @property
    def name(self) -> str:
        """Return what the site is called in answers: its folder or URL."""
        ...

    def similar(self, asked: SimilarAsked) -> FoundCases:
        """Return the site's k nearest cases.

        Args:
            asked: the study and what is wanted.

        Returns:
            The cases, best first, ranked from 1.
        """
        ...

    def images(self, asked: ImagesAsked) -> FoundImages:
        """Return the site's k best studies for words.

        Args:
            asked: the words' vector and what is wanted.

        Returns:
            Studies in which the words are read, best first, then others.
        """
        ...

    def word_statistics(self, words: str) -> WordStatistics:
        """Return how many of the site's sentences have each of some words.

        Args:
            words: as they will be searched.

        Raises:
            ReportsKept: the site lets nothing of its reports out.
        """
        ...

    def sentences(self, asked: SentencesAsked) -> FoundSentences:
        """Return the site's best sentences, by meaning and by keyword.

        Args:
            asked: the words and their vector.

        Returns:
            The union of both ways.

        Raises:
            ReportsKept: the site lets nothing of its reports out.
        """
        ...
