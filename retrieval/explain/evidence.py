"""Evidence as data: what an explanation may say, every item with an id; exact through JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.language.report_findings import Said
from radseek.retrieval.scoring.states import State
from radseek.retrieval.search.ranking import Match

__all__ = [
    "AgreementItem",
    "CaveatItem",
    "ChangeItem",
    "Evidence",
    "Item",
    "Kind",
    "Lang",
    "MeasurementItem",
    "NeighbourItem",
    "ScoreItem",
    "SentenceItem",
]

Kind = Literal["score", "neighbour", "sentence", "agreement", "measurement", "change", "caveat"]
Lang = Literal["en", "zh"]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """A finding's row of `screen`, id `S1`...; the fields mean what `FindingScore` says.

    `name`: the finding's name by language; `position`: patient LPS mm.
    """

    kind: ClassVar[Kind] = "score"
    id: str
    study: str
    finding: str
    name: Mapping[str, str]
    state: State
    reason: str | None
    score: float | None
    margin: float | None
    interval: tuple[float, float] | None
    percentile: float | None
    probability: float | None
    view: str | None
    series: str | None
    key_slice: int | None
    position: Point | None
    stands_out: bool | None = None
    not_told_apart: bool | None = None


@dataclass(frozen=True, slots=True)
class NeighbourItem:
    """A similar earlier case, id `N1`...; `score` is the mean cosine of pooled views, `matches` its slice pairs."""

    kind: ClassVar[Kind] = "neighbour"
    id: str
    rank: int
    study: str
    path: str | None
    score: float
    matches: tuple[Match, ...]
    has_report: bool = False


@dataclass(frozen=True, slots=True)
class SentenceItem:
    """A sentence of a neighbour's report that names a screened finding, id `R1`...

    `neighbour`: that item's id; `text`: scrubbed, one line, without links or invisible characters.
    """

    kind: ClassVar[Kind] = "sentence"
    id: str
    neighbour: str
    study: str
    text: str
    says: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class AgreementItem:
    """How many of the `of` neighbours with a report say that a finding is there, id `A1`...

    `sentences`: ids of the sentences counted; `disagrees`: the reports' majority is against the study's own
    calibrated state.
    """

    kind: ClassVar[Kind] = "agreement"
    id: str
    finding: str
    name: Mapping[str, str]
    present: int
    absent: int
    uncertain: int
    silent: int
    of: int
    sentences: tuple[str, ...]
    disagrees: bool = False


@dataclass(frozen=True, slots=True)
class MeasurementItem:
    """A quantity of a region of the mask, id `M1`...: a `value` in `unit`, or a word in `text` (laterality)."""

    kind: ClassVar[Kind] = "measurement"
    id: str
    label: str
    quantity: str
    value: float | None
    unit: str
    text: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON-able: slice z, end points LPS mm, ...


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """A quantity before (prior study) and after (this one), id `D1`...; `percent` is None where `before` is 0."""

    kind: ClassVar[Kind] = "change"
    id: str
    label: str
    quantity: str
    before: float
    after: float
    absolute: float
    percent: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class CaveatItem:
    """What limits the rest, id `C1`...: a stable `code`, and the sentence in each language.

    `about`: the finding, label or item id that it limits; "" where it limits everything.
    """

    kind: ClassVar[Kind] = "caveat"
    id: str
    code: str
    text: Mapping[str, str]
    about: str = ""


Item = ScoreItem | NeighbourItem | SentenceItem | AgreementItem | MeasurementItem | ChangeItem | CaveatItem
_TYPES: dict[str, type[Item]] = {
    one.kind: one
    for one in (ScoreItem, NeighbourItem, SentenceItem, AgreementItem, MeasurementItem, ChangeItem, CaveatItem)
}
_PAIRS = ("interval", "position", "sentences")  # tuples of plain values


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one study. `encoder`: as in every answer; `asked`: the findings' set and version."""

    study: str
    path: str | None
    encoder: Mapping[str, Any]
    items: tuple[Item, ...]
    asked: str = ""

    def item(self, name: str) -> Item:
        """Return the item whose id is `name`; raises `UnknownNameError` where there is none."""
        for one in self.items:
            if one.id == name:
                return one
        raise UnknownNameError(f"The evidence has no item {name!r}; it has {len(self.items)} others.")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; `from_json` gives an equal value back."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "items": [_item_json(i) for i in self.items]}))
        return plain

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evidence:
        """Return the evidence in a `document` that `to_dict` wrote. Raises `UsageError` for anything else."""
        try:
            items = tuple(_item_of(one) for one in document["items"])
            return cls(document["study"], document["path"], document["encoder"], items, document["asked"])
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"This is not evidence as radseek writes it ({error}); run `radseek explain` again."
            ) from error


def _item_json(item: Item) -> dict[str, Any]:
    return {"id": item.id, "kind": item.kind, **asdict(item)}


def _item_of(document: Mapping[str, Any]) -> Item:
    fields = {name: value for name, value in document.items() if name != "kind"}
    for name in _PAIRS:
        if fields.get(name) is not None:
            fields[name] = tuple(fields[name])
    if "matches" in fields:
        fields["matches"] = tuple(Match(**one) for one in fields["matches"])
    if "says" in fields:
        fields["says"] = tuple(Said(**one) for one in fields["says"])
    return _TYPES[document["kind"]](**fields)
