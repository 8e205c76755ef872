"""What a report shows, as plain values: no engine, no HTML. `radseek.html.report_html` turns a `Page` into a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from radseek.pictures.slice_pictures import Picture

__all__ = [
    "Fact",
    "FindingRow",
    "KeySlice",
    "MatchPair",
    "Page",
    "Profile",
    "SearchAnswer",
    "Sentence",
    "SimilarCase",
    "SkippedGroup",
    "StudyCard",
    "StudyHit",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value, such as "studies", "25"."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A finding's margin slice by slice: `z` (zero-based) and `margins` of equal length, and the key slice."""

    z: tuple[int, ...]
    margins: tuple[float, ...]
    key_slice: int


@dataclass(frozen=True, slots=True)
class KeySlice:
    """Where a finding's evidence is: the slice, and the profile where there is more than one."""

    finding: str
    picture: Picture
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One study and finding. `interval` is in units of `margin`; `state` is one of the engine's four."""

    finding: str
    score: float | None
    margin: float | None
    interval: tuple[float, float] | None
    state: str
    reason: str = ""
    probability: float | None = None
    percentile: float | None = None
    where: str = ""  # "lung, slice 31"
    drawn: bool | None = None  # phantoms only: whether it is truly there


@dataclass(frozen=True, slots=True)
class StudyCard:
    """One study: its scores, the slices behind the highest of them, and how its voxels came to be."""

    anchor: str
    title: str
    facts: tuple[Fact, ...]
    finding_set: str
    rows: tuple[FindingRow, ...]  # the ones shown at once
    more: tuple[FindingRow, ...] = ()  # the ones to unfold
    key_slices: tuple[KeySlice, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A report sentence in parts; a part that is True is marked. `polarity` as the engine reads it, or ""."""

    parts: tuple[tuple[str, bool], ...]
    polarity: str = ""
    score: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class MatchPair:
    """A slice of the query beside the slice of the case that it matched, and their cosine."""

    query: Picture
    case: Picture
    similarity: float


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """One earlier case: why it is close, and what its report said."""

    rank: int
    title: str
    score: float
    pairs: tuple[MatchPair, ...] = ()
    sentences: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyHit:
    """One study that answers a search."""

    rank: int
    title: str
    score: float
    picture: Picture | None = None
    is_read: bool = True


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A question in words and what it found, in images and in report sentences."""

    query: str
    note: str = ""  # how the words were understood
    language: str = "en"
    studies: tuple[StudyHit, ...] = ()
    sentences: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """Inputs skipped for one reason: `lines` holds (path, message) of each."""

    reason_code: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report. `warning` stands on top of every score when it is not empty."""

    title: str
    lead: str
    encoder: tuple[Fact, ...]
    warning: str = ""
    built: tuple[Fact, ...] = ()
    skipped: tuple[SkippedGroup, ...] = ()
    studies: tuple[StudyCard, ...] = ()
    query_title: str = ""
    query_picture: Picture | None = None
    similar: tuple[SimilarCase, ...] = ()
    searches: tuple[SearchAnswer, ...] = ()
    footer: tuple[Fact, ...] = field(default_factory=tuple)
