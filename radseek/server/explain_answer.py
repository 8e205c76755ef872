"""What `explain` answers, as a model: items with their ids, sentences that cite them, caveats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from radseek.server.answer_parts import Answer, Match, Pair, Part, Point, Polarity, State

__all__ = ["ExplainAnswer"]


class _Item(Part):
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
    matches: list[Match]
    has_report: bool


class _Said(Part):
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


class _Sentence(Part):
    text: str
    cites: list[str]
    narrator: str
    replaced: bool
    failures: list[str]
    part: str


class ExplainAnswer(Answer):
    """Evidence, every item with an id, and a summary whose every sentence cites it."""

    study: str
    path: None
    findings_version: str
    lang: Literal["en", "zh"]
    evidence: list[_Evidence]
    summary: list[_Sentence]
    narrator: str
    replaced: int
