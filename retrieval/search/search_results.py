"""What is found, as answers: similar cases, studies and sentences, whose `to_dict` is what the command prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from radseek.retrieval.document import NOTICE, describe_encoder, json_row
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.spelling import Suggestion
from radseek.retrieval.result_table import ColumnType, ResultTable
from radseek.retrieval.search.close_enough import NothingClose
from radseek.retrieval.search.facets import Facet
from radseek.retrieval.search.pointed_slices import PointedSlice
from radseek.retrieval.search.ranking import Match, RankedImage, RankedSentence

__all__ = [
    "Contrast",
    "ContrastRow",
    "SearchResult",
    "SentenceRow",
    "SimilarResult",
    "SimilarRow",
    "SiteState",
    "StudyRow",
    "sentence_row",
    "study_row",
]

_SIMILAR_COLUMNS: Mapping[str, ColumnType] = {
    "rank": "whole", "study": "text", "path": "text", "score": "number", "view": "text", "query_slice": "whole",
    "case_slice": "whole", "similarity": "number", "report": "text", "other_kind": "flag", "is_copy": "flag",
    "site": "text",
}  # fmt: skip
_SEARCH_COLUMNS: Mapping[str, ColumnType] = {
    "kind": "text", "rank": "whole", "study": "text", "path": "text", "score": "number", "key_slice": "whole",
    "series": "text", "view": "text", "is_read": "flag", "text": "text", "similarity": "number", "polarity": "text",
    "site": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SiteState:
    """One of several indexes that were asked together: its folder or URL, and whether it answered.

    `reports`: whether it lets out what reports say; `trouble`: why there is nothing from it, in a sentence.
    """

    site: str
    answered: bool
    reports: bool
    trouble: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class SimilarRow:
    """One earlier case. `matches`: the most alike slices; `report`: the case's scrubbed report, where it has one.

    `other_kind`: whether it is of another modality or body part than the query; None where one of them is unknown.
    `copies`: cases with the same images, which are not shown by themselves; `is_copy`: whether these are the query's
    own images. `site`: where it is, of several indexes that were asked together; None of one.
    """

    rank: int
    study: str
    path: str | None
    score: float
    matches: tuple[Match, ...]
    report: str | None
    other_kind: bool | None = None
    copies: tuple[str, ...] = ()
    is_copy: bool = False
    site: str | None = None

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
    name: dict[str, str] = field(hash=False)
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
class SimilarResult(ResultTable[SimilarRow]):
    """The query's key and path, and the cases most like it, best first; `contrast` where one was asked for.

    `notes`: sentences on why there is nothing, or less than asked for; `suggestions`: what misspelt words may have
    meant. `floor`: the similarity that a case must reach by the query's kind of study, None where too few studies of
    the kind are there to say; `nothing_close_enough`: where there are cases, and none reaches it. `sites`: of several
    indexes that were asked together, whether each answered. `facets`: of the fields that were asked for, the values of
    the studies that pass the filters. In another order than by similarity, a row's `rank` is still by similarity.
    """

    encoder: EncoderSpec
    query: dict[str, Any]
    results: tuple[SimilarRow, ...]
    contrast: Contrast | None = None
    notes: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    floor: float | None = None
    nothing_close_enough: NothingClose | None = None
    sites: tuple[SiteState, ...] = ()
    facets: tuple[Facet, ...] = ()

    @property
    def rows(self) -> tuple[SimilarRow, ...]:
        """Return the cases: `results`."""
        return self.results

    @property
    def earlier_cases(self) -> tuple[SimilarRow, ...]:
        """Return the cases that are no copies of the query and, as far as anybody knows, of no other kind of study."""
        return tuple(row for row in self.results if row.other_kind is not True and not row.is_copy)

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the case's columns and those of its most alike pair of slices."""
        return _SIMILAR_COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a case; of its matches the most alike pair of slices."""
        lines = []
        for row in self.results:
            match = max(row.matches, key=lambda one: one.similarity, default=None)
            pair = {} if match is None else asdict(match)
            lines.append({n: pair[n] if n in pair else getattr(row, n, None) for n in _SIMILAR_COLUMNS})
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek similar --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "query": self.query,
            "notes": list(self.notes),
            "suggestions": [one.to_dict() for one in self.suggestions],
            "floor": self.floor,
            "nothing_close_enough": None if self.nothing_close_enough is None else self.nothing_close_enough.to_dict(),
            "results": [row.to_dict() for row in self.results],
            "contrast": None if self.contrast is None else self.contrast.to_dict(),
            "sites": [one.to_dict() for one in self.sites],
            "facets": [one.to_dict() for one in self.facets],
        }


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study whose best slice (`key_slice`, Z of the Volume of `series` seen as `view`) answers the words.

    `is_read`: False where the words name findings that are read in no view of the study; such studies come last.
    `site`: as for `SimilarRow`.
    """

    rank: int
    study: str
    path: str | None
    score: float
    key_slice: int
    series: str
    view: str
    is_read: bool
    site: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class SentenceRow:
    """A report sentence. `score`: reciprocal-rank fusion, which only orders; `similarity`: the cosine, None
    where the encoder has no text tower.

    `polarity`: what the sentence says of the finding asked for; None where it does not name it. `site`: as for
    `SimilarRow`. `images`: the images that the sentence names, as slices of the study; none of another site.
    """

    rank: int
    study: str
    path: str | None
    text: str
    score: float
    similarity: float | None
    polarity: Polarity | None
    site: str | None = None
    images: tuple[PointedSlice, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class SearchResult(ResultTable[StudyRow | SentenceRow]):
    """Studies by their images and sentences of their reports, best first; () for what was not searched.

    `query`: what was searched, as written, and the filter as it was understood; `notes`: sentences on why there is
    nothing, or what the order is worth; `suggestions`: what misspelt words may have meant; `not_told_apart`: the
    kinds of study found (`MR head`) that meaningless words order alike; `sites`, `facets`: as for `SimilarResult`.
    """

    encoder: EncoderSpec
    studies: tuple[StudyRow, ...] = ()
    sentences: tuple[SentenceRow, ...] = ()
    query: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    not_told_apart: tuple[str, ...] = ()
    sites: tuple[SiteState, ...] = ()
    facets: tuple[Facet, ...] = ()

    @property
    def rows(self) -> tuple[StudyRow | SentenceRow, ...]:
        """Return the studies, then the sentences."""
        return (*self.studies, *self.sentences)

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the columns of studies and of sentences together; `kind` says which a line is."""
        return _SEARCH_COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a study (`kind` "study") and sentence ("sentence")."""
        kinds = [*(("study", row) for row in self.studies), *(("sentence", row) for row in self.sentences)]
        return [
            {"kind": kind} | {n: getattr(row, n, None) for n in _SEARCH_COLUMNS if n != "kind"} for kind, row in kinds
        ]

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
            "sites": [one.to_dict() for one in self.sites],
            "facets": [one.to_dict() for one in self.facets],
        }


def study_row(rank: int, one: RankedImage, paths: Mapping[str, str | None], site: str | None = None) -> StudyRow:
    """Return a found study as a row; `paths` by study."""
    hit = one.hit
    return StudyRow(rank, hit.study, paths[hit.study], hit.similarity, hit.z, hit.series, hit.view, one.is_read, site)


def sentence_row(
    rank: int,
    one: RankedSentence,
    paths: Mapping[str, str | None],
    site: str | None = None,
    images: tuple[PointedSlice, ...] = (),
) -> SentenceRow:
    """Return a found sentence as a row; `paths` by study."""
    hit, path = one.hit, paths[one.hit.study]
    return SentenceRow(rank, hit.study, path, hit.text, one.score, hit.similarity, one.polarity, site, images)
