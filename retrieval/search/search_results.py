"""What is found, as answers: similar cases, studies and sentences, whose `to_dict` is what the command prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from radseek.retrieval.document import NOTICE, describe_encoder, json_row
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.spelling import Suggestion
from radseek.retrieval.search.ranking import Match, RankedImage, RankedSentence

__all__ = [
    "Contrast",
    "ContrastRow",
    "SearchResult",
    "SentenceRow",
    "SimilarResult",
    "SimilarRow",
    "StudyRow",
    "sentence_row",
    "study_row",
]


@dataclass(frozen=True, slots=True)
class SimilarRow:
    """One earlier case. `matches`: the most alike slices; `report`: the case's scrubbed report, where it has one."""

    rank: int
    study: str
    path: str | None
    score: float
    matches: tuple[Match, ...]
    report: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class ContrastRow:
    """A case on one side of a contrast, and by what: `source` "report" (its `sentence`) or "score" (`probability`)."""

    case: SimilarRow
    source: str
    sentence: str | None
    probability: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        why = {"source": self.source, "sentence": self.sentence, "probability": self.probability}
        return {**self.case.to_dict(), **why}


@dataclass(frozen=True, slots=True)
class Contrast:
    """The nearest cases with a finding and the nearest without it, each list best first and ranked from 1.

    `looked_at`: how many of the nearest cases were asked; `neither`: of those, how many nobody could put on a side.
    """

    finding: str
    name: dict[str, str]
    present: tuple[ContrastRow, ...]
    absent: tuple[ContrastRow, ...]
    looked_at: int
    neither: int

    def to_dict(self) -> dict[str, Any]:
        """Return the contrast's part of the document."""
        return {
            "finding": self.finding,
            "name": self.name,
            "with": [row.to_dict() for row in self.present],
            "without": [row.to_dict() for row in self.absent],
            "looked_at": self.looked_at,
            "neither": self.neither,
        }


@dataclass(frozen=True, slots=True)
class SimilarResult:
    """The query's key and path, and the cases most like it, best first; `contrast` where one was asked for.

    `notes`: sentences on why there is nothing; `suggestions`: what misspelt words may have meant.
    """

    encoder: EncoderSpec
    query: dict[str, Any]
    results: tuple[SimilarRow, ...]
    contrast: Contrast | None = None
    notes: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek similar --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "query": self.query,
            "notes": list(self.notes),
            "suggestions": [one.to_dict() for one in self.suggestions],
            "results": [row.to_dict() for row in self.results],
            "contrast": None if self.contrast is None else self.contrast.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study whose best slice (`key_slice`, Z of the Volume of `series` seen as `view`) answers the words.

    `is_read`: False where the words name findings that are read in no view of the study; such studies come last.
    """

    rank: int
    study: str
    path: str | None
    score: float
    key_slice: int
    series: str
    view: str
    is_read: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class SentenceRow:
    """A report sentence. `score`: reciprocal-rank fusion, which only orders; `similarity`: the cosine.

    `polarity`: what the sentence says of the finding asked for; None where it does not name it.
    """

    rank: int
    study: str
    path: str | None
    text: str
    score: float
    similarity: float
    polarity: Polarity | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Studies by their images and sentences of their reports, best first; () for what was not searched.

    `query`: what was searched, as written, and the filter as it was understood; `notes`: sentences on why there is
    nothing, or what the order is worth; `suggestions`: what misspelt words may have meant; `not_told_apart`: the
    kinds of study found (`MR head`) that meaningless words order alike.
    """

    encoder: EncoderSpec
    studies: tuple[StudyRow, ...] = ()
    sentences: tuple[SentenceRow, ...] = ()
    query: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    not_told_apart: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek search --json` prints."""
        return {
            "not_told_apart": list(self.not_told_apart),
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "query": self.query,
            "notes": list(self.notes),
            "suggestions": [one.to_dict() for one in self.suggestions],
            "studies": [row.to_dict() for row in self.studies],
            "sentences": [row.to_dict() for row in self.sentences],
        }


def study_row(rank: int, one: RankedImage, paths: Mapping[str, str | None]) -> StudyRow:
    """Return a found study as a row; `paths` by study."""
    hit = one.hit
    return StudyRow(rank, hit.study, paths[hit.study], hit.similarity, hit.z, hit.series, hit.view, is_read=one.is_read)


def sentence_row(rank: int, one: RankedSentence, paths: Mapping[str, str | None]) -> SentenceRow:
    """Return a found sentence as a row; `paths` by study."""
    hit = one.hit
    return SentenceRow(rank, hit.study, paths[hit.study], hit.text, one.score, hit.similarity, one.polarity)
