"""What is answered, as models: the documents that the command prints with --json, field by field.

`path` is null in every answer: where a file lies is nobody's business. A field more or less than here is an error.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from radseek.server.answer_parts import Answer, Match, Pair, Part, Point, Polarity, State
from radseek.server.site_answers import SiteAnswered

__all__ = [
    "ClassifyAnswer",
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


class _Skipped(Part):
    path: str
    reason_code: str
    message: str


class _Suggestion(Part):
    words: str
    meant: str


class _FindingRow(Part):
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


class ScreenAnswer(Answer):
    """One row a finding, in the order asked."""

    findings_version: str
    suggestions: list[_Suggestion]
    skipped: list[_Skipped]
    results: list[_FindingRow]


class _Label(Part):
    label: str
    probability: float


class _ClassifyRow(Part):
    study: str
    path: None
    labels: list[_Label]
    calibrated: bool


class ClassifyAnswer(Answer):
    """The labels' shares, in the order asked; never calibrated."""

    skipped: list[_Skipped]
    results: list[_ClassifyRow]


class _CaseRow(Part):
    rank: int
    study: str
    path: None
    score: float
    matches: list[Match]
    report: str | None
    other_kind: bool | None
    copies: list[str]
    is_copy: bool
    site: None


class _ContrastRow(_CaseRow):
    source: Literal["report", "score"]
    sentence: str | None
    probability: float | None


class _Contrast(Part):
    finding: str
    name: dict[str, str]
    present: list[_ContrastRow] = Field(alias="with")
    absent: list[_ContrastRow] = Field(alias="without")
    looked_at: int
    neither: int


class _Query(Part):
    study: str
    path: None
    text: str | None
    where: list[str]
    mask: None
    sort: str


class _FacetValue(Part):
    value: str
    count: int
    shown: int


class _Facet(Part):
    field: str
    values: list[_FacetValue]
    others: int


class _NothingClose(Part):
    floor: float
    best: float


class SimilarAnswer(Answer):
    """The cases most like a study, best first; those under the floor are left out."""

    query: _Query
    notes: list[str]
    suggestions: list[_Suggestion]
    floor: float | None
    nothing_close_enough: _NothingClose | None
    results: list[_CaseRow]
    contrast: _Contrast | None
    sites: list[SiteAnswered]
    facets: list[_Facet]


class _StudyRow(Part):
    rank: int
    study: str
    path: None
    score: float
    key_slice: int
    series: str
    view: str
    is_read: bool
    site: None


class _PointedSlice(Part):
    words: str
    image: int
    series_number: int | None
    series: str | None
    key_slice: int | None
    reason: str | None


class _SentenceRow(Part):
    rank: int
    study: str
    path: None
    text: str
    score: float
    similarity: float | None
    polarity: Polarity | None
    site: None
    images: list[_PointedSlice]


class _Searched(Part):
    text: str
    where: list[str]
    within: Literal["images", "reports", "both"]
    sort: str


class SearchAnswer(Answer):
    """Studies by their images and sentences of their reports, best first."""

    query: _Searched
    notes: list[str]
    suggestions: list[_Suggestion]
    not_told_apart: list[str]
    studies: list[_StudyRow]
    sentences: list[_SentenceRow]
    sites: list[SiteAnswered]
    facets: list[_Facet]


class _Series(Part):
    series: str
    modality: str
    body_part: str
    description: str
    unit: str
    shape: list[int]
    spacing: Point | None
    warnings: list[str]


class _Study(Part):
    study: str
    brought: bool
    attributes: dict[str, str | int]
    series: list[_Series]


class StudiesAnswer(Part):
    """The stored studies from `offset` on; uploaded ones are known to whoever uploaded them."""

    notice: str
    total: int
    offset: int
    studies: list[_Study]


class StudyAnswer(Part):
    """One study, with its scrubbed report where it has one, and the finding set that fits it."""

    notice: str
    study: _Study
    findings: str | None
    report: str | None


class UploadAnswer(Part):
    """The studies of an upload by their keys, and its files that were not used, as they were sent."""

    notice: str
    studies: list[_Study]
    skipped: list[_Skipped]


class ForgottenAnswer(Part):
    """What was deleted: from the index for good (`stored`), or from what was uploaded."""

    notice: str
    study: str
    stored: bool


class HealthAnswer(Part):
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
