"""What another site is answered: pseudonyms, scores, slice numbers; sentences of reports where its token may read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["SiteAnswered", "SiteCasesAnswer", "SiteImagesAnswer", "SiteSentencesAnswer", "SiteWordsAnswer"]


class _SiteAnswerPart(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _SiteMatch(_SiteAnswerPart):
    view: str
    query_slice: int
    case_slice: int
    similarity: float


class _SiteNothing(_SiteAnswerPart):
    floor: float
    best: float


class _SiteHashes(_SiteAnswerPart):
    imaging: str
    towers: str
    pooling: str


class _SiteAnswer(_SiteAnswerPart):
    notice: str
    encoder: _SiteHashes
    reports: bool


class _SiteCase(_SiteAnswerPart):
    study: str
    score: float
    matches: list[_SiteMatch]
    report: str | None
    other_kind: bool | None
    copies: list[str]
    is_copy: bool


class SiteCasesAnswer(_SiteAnswer):
    """To another site: the cases most like its study. `reports`: whether its token may read them."""

    cases: list[_SiteCase]
    floor: float | None
    nothing_close_enough: _SiteNothing | None
    notes: list[str]


class _SiteImage(_SiteAnswerPart):
    study: str
    series: str
    view: str
    z: int
    similarity: float
    is_read: bool


class SiteImagesAnswer(_SiteAnswer):
    """To another site: the studies that answer its words, by their best slices."""

    images: list[_SiteImage]
    notes: list[str]


class _WordCounts(_SiteAnswerPart):
    sentences: int
    words: float
    having: list[int] | None


class SiteWordsAnswer(_SiteAnswer):
    """To another site: in how many sentences its words are; null where its token may not read reports."""

    statistics: _WordCounts | None


class _SiteSentence(_SiteAnswerPart):
    study: str
    ordinal: int
    text: str
    similarity: float
    dense_rank: int | None
    keyword_rank: int | None
    keyword_score: float | None


class SiteSentencesAnswer(_SiteAnswer):
    """To another site: the sentences nearest to its words; none where its token may not read reports."""

    sentences: list[_SiteSentence]
    notes: list[str]


class SiteAnswered(_SiteAnswerPart):
    """Of several indexes that were asked together: whether one answered."""

    site: str
    answered: bool
    reports: bool
    trouble: str | None
