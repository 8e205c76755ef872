"""What the engine answers: frozen values whose `to_json` is the document that the command prints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from prompts.finding import Finding
from retrieval.encoders.spec import EncoderSpec
from retrieval.evidence import Evidence, Lang
from retrieval.judging import State
from retrieval.polarity import Polarity
from retrieval.search import Match, RankedImage, RankedSentence
from retrieval.spelling import Suggestion
from retrieval.summary import SummarySentence
from retrieval.types import Skipped

__all__ = [
    "NOTICE",
    "ClassifyResult",
    "ClassifyRow",
    "Contrast",
    "ContrastRow",
    "ExplainResult",
    "FindingScore",
    "LabelProbability",
    "ScreenResult",
    "SearchResult",
    "SentenceRow",
    "SimilarResult",
    "SimilarRow",
    "StudyRow",
    "describe_encoder",
    "findings_version",
    "sentence_row",
    "study_row",
]

NOTICE = "Research use only. Not a medical device."


def describe_encoder(spec: EncoderSpec) -> dict[str, Any]:
    """Return the encoder's part of an answer. `meaningless` marks random weights, whose scores are noise."""
    return {
        "name": spec.name,
        "dim": spec.dim,
        "precision": spec.precision,
        "meaningless": spec.meaningless,
        "imaging": spec.imaging_hash,
        "towers": spec.towers_hash,
        "pooling": spec.pooling_hash,
    }


def findings_version(findings: Iterable[Finding], name: str = "words", version: str = "") -> str:
    """Return what names the words asked, `set@version+hash`; the hash is over every prompt, in order."""
    text = json.dumps([finding.to_json() for finding in findings], sort_keys=True, ensure_ascii=False)
    return f"{name}@{version}+{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class FindingScore:
    """One study and finding. Numbers are None where no view of the study shows the finding (`abstain`, `no_view`).

    `score` is `sigmoid(scale * margin)` and only orders; `margin` the raw evidence; `interval` its 10th to 90th
    percentile over paraphrases; `percentile` (0 to 100) the share of comparable studies with a lower margin;
    `key_slice` the zero-based Z of the Volume; `position` that slice's centre, patient LPS mm; `stands_out` says
    whether that slice shows the finding better than most others (False: the profile is flat, any would do as well).
    `not_told_apart`: True where meaningless words, or "anything abnormal", order the studies at hand as this finding
    does (see `telling_apart`), None where they are too few to say.
    """

    study: str
    path: str | None
    series: str | None
    finding: str
    prompts: dict[str, list[str]]
    score: float | None
    margin: float | None
    interval: tuple[float, float] | None
    percentile: float | None
    probability: float | None
    state: State
    reason: str | None
    view: str | None
    key_slice: int | None
    position: tuple[float, float, float] | None
    stands_out: bool | None = None
    not_told_apart: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """One row a study and finding, in the order read and asked. `suggestions`: what misspelt words may have meant."""

    encoder: EncoderSpec
    findings_version: str
    results: tuple[FindingScore, ...]
    skipped: tuple[Skipped, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document `radseek screen --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "findings_version": self.findings_version,
            "suggestions": [one.to_json() for one in self.suggestions],
            "skipped": _skipped(self.skipped),
            "results": [row.to_json() for row in self.results],
        }


@dataclass(frozen=True, slots=True)
class LabelProbability:
    """One label and its share of the softmax over the labels asked."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ClassifyRow:
    """One study; labels in the order asked. Never calibrated: the labels' shares say nothing of other answers."""

    study: str
    path: str | None
    labels: tuple[LabelProbability, ...]
    calibrated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True)
class ClassifyResult:
    """One row a study."""

    encoder: EncoderSpec
    results: tuple[ClassifyRow, ...]
    skipped: tuple[Skipped, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document `radseek classify --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "skipped": _skipped(self.skipped),
            "results": [row.to_json() for row in self.results],
        }


@dataclass(frozen=True, slots=True)
class SimilarRow:
    """One earlier case. `matches`: the most alike slices; `report`: the case's scrubbed report, where it has one."""

    rank: int
    study: str
    path: str | None
    score: float
    matches: tuple[Match, ...]
    report: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True)
class ContrastRow:
    """A case on one side of a contrast, and by what: `source` "report" (its `sentence`) or "score" (`probability`)."""

    case: SimilarRow
    source: str
    sentence: str | None
    probability: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        why = {"source": self.source, "sentence": self.sentence, "probability": self.probability}
        return {**self.case.to_json(), **why}


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

    def to_json(self) -> dict[str, Any]:
        """Return the contrast's part of the document."""
        return {
            "finding": self.finding,
            "name": self.name,
            "with": [row.to_json() for row in self.present],
            "without": [row.to_json() for row in self.absent],
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

    def to_json(self) -> dict[str, Any]:
        """Return the document `radseek similar --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "query": self.query,
            "notes": list(self.notes),
            "suggestions": [one.to_json() for one in self.suggestions],
            "results": [row.to_json() for row in self.results],
            "contrast": None if self.contrast is None else self.contrast.to_json(),
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

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return _plain(asdict(self))


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

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return _plain(asdict(self))


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

    def to_json(self) -> dict[str, Any]:
        """Return the document `radseek search --json` prints."""
        return {
            "not_told_apart": list(self.not_told_apart),
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "query": self.query,
            "notes": list(self.notes),
            "suggestions": [one.to_json() for one in self.suggestions],
            "studies": [row.to_json() for row in self.studies],
            "sentences": [row.to_json() for row in self.sentences],
        }


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """One study explained. `narrator`: the one asked for; `replaced`: how many of its sentences failed the check."""

    encoder: EncoderSpec
    evidence: Evidence
    summary: tuple[SummarySentence, ...]
    narrator: str
    replaced: int
    lang: Lang = "en"

    def to_json(self) -> dict[str, Any]:
        """Return the document `radseek explain --json` prints."""
        evidence = self.evidence.to_json()
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "study": self.evidence.study,
            "path": self.evidence.path,
            "findings_version": self.evidence.asked,
            "lang": self.lang,
            "evidence": evidence["items"],
            "summary": [sentence.to_json() for sentence in self.summary],
            "narrator": self.narrator,
            "replaced": self.replaced,
        }


def study_row(rank: int, one: RankedImage, paths: Mapping[str, str | None]) -> StudyRow:
    """Return a found study as a row; `paths` by study."""
    hit = one.hit
    return StudyRow(rank, hit.study, paths[hit.study], hit.similarity, hit.z, hit.series, hit.view, is_read=one.is_read)


def sentence_row(rank: int, one: RankedSentence, paths: Mapping[str, str | None]) -> SentenceRow:
    """Return a found sentence as a row; `paths` by study."""
    hit = one.hit
    return SentenceRow(rank, hit.study, paths[hit.study], hit.text, one.score, hit.similarity, one.polarity)


def _skipped(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"path": s.path, "reason_code": str(s.reason_code), "message": s.message} for s in skipped]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with lists for tuples, as JSON reads it back."""
    plain: dict[str, Any] = json.loads(json.dumps(row))
    return plain
