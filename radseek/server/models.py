"""What is answered, as models: the documents that the command prints with --json, field by field.

`path` is null in every answer: where a file lies is nobody's business. A field more or less than here is an error.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from radseek.server.site_answers import SiteAnswered

__all__ = [
    "ClassifyAnswer",
    "ExplainAnswer",
    "ForgottenAnswer",
    "HealthAnswer",
    "Problem",
    "ScreenAnswer",
    "SearchAnswer",
    "SimilarAnswer",
    "StudiesAnswer",
    "StudyAnswer",
    "UploadAnswer",
]

State = Literal["present", "absent", "uncertain", "abstain"]
Polarity = Literal["present", "absent", "uncertain"]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Point = Annotated[list[float], Field(min_length=3, max_length=3)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Encoder(_Part):
    name: str
    dim: int
    precision: str
    meaningless: bool
    imaging: str
    towers: str
    pooling: str


class _Skipped(_Part):
    path: str
    reason_code: str
    message: str


class _Answer(_Part):
    notice: str
    encoder: _Encoder


class _Suggestion(_Part):
    words: str
    meant: str


class _Match(_Part):
    view: str
    query_slice: int
    case_slice: int
    similarity: float


class _FindingRow(_Part):
    study: str
    path: None
    series: str | None
    finding: str
    asked: str
    prompts: dict[str, list[str]]
    score: float | None
    margin: float | None
    interval: Pair | None
    percentile: float | None
    percentile_reason: str | None
    probability: float | None
    state: State
    reason: str | None
    view: str | None
    key_slice: int | None
    position: Point | None
    stands_out: bool | None
    not_told_apart: bool | None


class ScreenAnswer(_Answer):
    """One row a finding, in the order asked."""

    findings_version: str
    suggestions: list[_Suggestion]
    skipped: list[_Skipped]
    results: list[_FindingRow]


class _Label(_Part):
    label: str
    probability: float


class _ClassifyRow(_Part):
    study: str
    path: None
    labels: list[_Label]
    calibrated: bool


class ClassifyAnswer(_Answer):
    """The labels' shares, in the order asked; never calibrated."""

    skipped: list[_Skipped]
    results: list[_ClassifyRow]


class _CaseRow(_Part):
    rank: int
    study: str
    path: None
    score: float
    matches: list[_Match]
    report: str | None
    other_kind: bool | None
    copies: list[str]
    is_copy: bool
    site: None


class _ContrastRow(_CaseRow):
    source: Literal["report", "score"]
    sentence: str | None
    probability: float | None


class _Contrast(_Part):
    finding: str
    name: dict[str, str]
    present: list[_ContrastRow] = Field(alias="with")
    absent: list[_ContrastRow] = Field(alias="without")
    looked_at: int
    neither: int


class _Query(_Part):
    study: str
    path: None
    text: str | None
    where: list[str]
    mask: None


class _NothingClose(_Part):
    floor: float
    best: float


class SimilarAnswer(_Answer):
    """The cases most like a study, best first; those under the floor are left out."""

    query: _Query
    notes: list[str]
    suggestions: list[_Suggestion]
    floor: float | None
    nothing_close_enough: _NothingClose | None
    results: list[_CaseRow]
    contrast: _Contrast | None
    sites: list[SiteAnswered]


class _StudyRow(_Part):
    rank: int
    study: str
    path: None
    score: float
    key_slice: int
    series: str
    view: str
    is_read: bool
    site: None


class _SentenceRow(_Part):
    rank: int
    study: str
    path: None
    text: str
    score: float
    similarity: float | None
    polarity: Polarity | None
    site: None


class _Searched(_Part):
    text: str
    where: list[str]
    within: Literal["images", "reports", "both"]


class SearchAnswer(_Answer):
    """Studies by their images and sentences of their reports, best first."""

    query: _Searched
    notes: list[str]
    suggestions: list[_Suggestion]
    not_told_apart: list[str]
    studies: list[_StudyRow]
    sentences: list[_SentenceRow]
    sites: list[SiteAnswered]


class _Item(_Part):
    id: str


class _ScoreItem(_Item):
    kind: Literal["score"]
    study: str
    finding: str
    name: dict[str, str]
    state: State
    reason: str | None
    score: float | None
    margin: float | None
    interval: Pair | None
    percentile: float | None
    probability: float | None
    view: str | None
    series: str | None
    key_slice: int | None
    position: Point | None
    stands_out: bool | None
    not_told_apart: bool | None


class _NeighbourItem(_Item):
    kind: Literal["neighbour"]
    rank: int
    study: str
    path: None
    score: float
    matches: list[_Match]
    has_report: bool


class _Said(_Part):
    finding: str
    polarity: Polarity
    rule: str
    cue: str


class _SentenceItem(_Item):
    kind: Literal["sentence"]
    neighbour: str
    study: str
    text: str
    says: list[_Said]


class _AgreementItem(_Item):
    kind: Literal["agreement"]
    finding: str
    name: dict[str, str]
    present: int
    absent: int
    uncertain: int
    silent: int
    of: int
    sentences: list[str]
    disagrees: bool


class _MeasurementItem(_Item):
    kind: Literal["measurement"]
    label: str
    quantity: str
    value: float | None
    unit: str
    text: str | None
    details: dict[str, Any]


class _ChangeItem(_Item):
    kind: Literal["change"]
    label: str
    quantity: str
    before: float
    after: float
    absolute: float
    percent: float | None
    unit: str


class _CaveatItem(_Item):
    kind: Literal["caveat"]
    code: str
    text: dict[str, str]
    about: str


_Evidence = Annotated[
    _ScoreItem | _NeighbourItem | _SentenceItem | _AgreementItem | _MeasurementItem | _ChangeItem | _CaveatItem,
    Field(discriminator="kind"),
]


class _Sentence(_Part):
    text: str
    cites: list[str]
    narrator: str
    replaced: bool
    failures: list[str]
    part: str


class ExplainAnswer(_Answer):
    """Evidence, every item with an id, and a summary whose every sentence cites it."""

    study: str
    path: None
    findings_version: str
    lang: Literal["en", "zh"]
    evidence: list[_Evidence]
    summary: list[_Sentence]
    narrator: str
    replaced: int


class _Series(_Part):
    series: str
    modality: str
    body_part: str
    description: str
    unit: str
    shape: list[int]
    spacing: Point | None
    warnings: list[str]


class _Study(_Part):
    study: str
    brought: bool
    attributes: dict[str, str | int]
    series: list[_Series]


class StudiesAnswer(_Part):
    """The stored studies from `offset` on; uploaded ones are known to whoever uploaded them."""

    notice: str
    total: int
    offset: int
    studies: list[_Study]


class StudyAnswer(_Part):
    """One study, with its scrubbed report where it has one, and the finding set that fits it."""

    notice: str
    study: _Study
    findings: str | None
    report: str | None


class UploadAnswer(_Part):
    """The studies of an upload by their keys, and its files that were not used, as they were sent."""

    notice: str
    studies: list[_Study]
    skipped: list[_Skipped]


class ForgottenAnswer(_Part):
    """What was deleted: from the index for good (`stored`), or from what was uploaded."""

    notice: str
    study: str
    stored: bool


class HealthAnswer(_Part):
    """Whether the process runs (`ok`), or can answer (`ready`)."""

    status: Literal["ok", "ready"]


class Problem(BaseModel):
    """An error (RFC 9457). `reason_code` is stable; `detail` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    reason_code: str
    notice: str
    skipped: list[_Skipped] = []
    faults: list[dict[str, str]] = []
