"""What the page of an explanation shows, as plain values in one language: no engine, no HTML, nothing to translate."""

from __future__ import annotations

from dataclasses import dataclass

from radseek.html.screen_report import Fact, FindingRow, MatchPair, Profile
from radseek.pictures.slice_pictures import Picture
from radseek.retrieval.explain.evidence import Lang

__all__ = [
    "AgreementRow",
    "CaveatLine",
    "ChangeRow",
    "Cite",
    "Count",
    "ExplainPage",
    "HeatMap",
    "MeasuredRegion",
    "MeasuredRow",
    "NeighbourCard",
    "Paragraph",
    "ReportSentence",
    "ScoreCard",
    "SummaryLine",
    "Verdict",
    "Where",
]


@dataclass(frozen=True, slots=True)
class Cite:
    """A mark such as [S1] and what it leads to, in words; `known` is False for an id that the evidence has not."""

    id: str
    title: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Present, absent, uncertain or abstain: the `code` for the style, its `sign` and `word` for the reader."""

    code: str
    sign: str
    word: str
    of: str = ""  # the finding, where it is not plain from the place


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One sentence of the summary. `replaced`: why the narrator's own words do not stand here, or ""."""

    number: int
    text: str
    cites: tuple[Cite, ...]
    replaced: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences of the summary that belong together."""

    title: str
    lines: tuple[SummaryLine, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A map laid over a picture (`overlay`, a data: URI of the picture's size), or the `reason` why there is none."""

    overlay: str = ""
    reason: str = ""
    facts: tuple[Fact, ...] = ()
    has_unseen: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """Where a finding was seen: the key slice, the map over it, and the margin slice by slice."""

    picture: Picture
    heat: HeatMap
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """A finding's score. `row` is what the common track of margins draws; `backs`: the sentences that cite it."""

    id: str
    name: str
    verdict: Verdict
    reason: str
    row: FindingRow
    facts: tuple[Fact, ...]
    where: Where | None = None
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases' reports say one thing of a finding, and their share in percent."""

    verdict: Verdict
    number: int
    share: float


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """What the reports of similar cases say of one finding."""

    id: str
    name: str
    shown: str
    counts: tuple[Count, ...]
    sentences: tuple[Cite, ...]
    disagrees: bool = False
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSentence:
    """A sentence of a case's report in parts, the finding's words marked, and what it says of each finding."""

    id: str
    parts: tuple[tuple[str, bool], ...]
    says: tuple[Verdict, ...]
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NeighbourCard:
    """One earlier case: the slices that matched, and what its report says."""

    id: str
    rank: int
    title: str
    path: str
    score: float
    pairs: tuple[MatchPair, ...] = ()
    sentences: tuple[ReportSentence, ...] = ()
    has_report: bool = False
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One quantity of a region; `value` and `unit` as they are read."""

    id: str
    quantity: str
    value: str
    unit: str
    details: str = ""
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredRegion:
    """A label of the mask and its quantities."""

    label: str
    rows: tuple[MeasuredRow, ...]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A quantity before and now."""

    id: str
    label: str
    quantity: str
    before: str
    after: str
    absolute: str
    percent: str
    unit: str
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CaveatLine:
    """What limits the rest; `about` in words, and the item it leads to where there is one."""

    id: str
    text: str
    about: str = ""
    cite: Cite | None = None
    backs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainPage:
    """A whole explanation. `impression`: the few sentences of the summary that weigh most, in their order.

    `scores` have pictures; `others` are the findings asked that have none.
    """

    lang: Lang
    title: str
    facts: tuple[Fact, ...]
    encoder: tuple[Fact, ...]
    warning: str = ""
    insufficient: bool = False
    impression: tuple[SummaryLine, ...] = ()
    paragraphs: tuple[Paragraph, ...] = ()
    narrated: str = ""
    scores: tuple[ScoreCard, ...] = ()
    others: tuple[ScoreCard, ...] = ()
    agreements: tuple[AgreementRow, ...] = ()
    neighbours: tuple[NeighbourCard, ...] = ()
    measured: tuple[MeasuredRegion, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    caveats: tuple[CaveatLine, ...] = ()
    provenance: tuple[str, ...] = ()
