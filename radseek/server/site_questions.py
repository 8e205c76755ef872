"""What another site may ask: its encoder's hashes, vectors as base64, filters, pseudonyms. Never an image or a path."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["SiteImagesQuestion", "SiteSentencesQuestion", "SiteSimilarQuestion", "SiteWordsQuestion"]

_Hash = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_Name = Annotated[str, StringConstraints(max_length=64)]
_Pseudonym = Annotated[str, StringConstraints(pattern=r"^(2\.25\.[0-9]{1,39})?$")]
_Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=16 << 20)]
_Vector = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=128 << 10)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
_Count = Annotated[int, Field(ge=1, le=100)]
_Filters = Annotated[list[Annotated[str, StringConstraints(min_length=3, max_length=200)]], Field(max_length=20)]
_Z = Annotated[int, Field(ge=0, le=1_000_000)]


class _SitePart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Hashes(_SitePart):
    imaging: _Hash
    towers: _Hash
    pooling: _Hash


class _SiteQuestion(_SitePart):
    encoder: _Hashes


class _AskedView(_SitePart):
    view: _Name
    pooled: _Vector
    slices: _Base64
    z: Annotated[list[_Z], Field(min_length=1, max_length=4_096)]


class _AskedSeries(_SitePart):
    modality: _Name
    body_part: _Name
    views: Annotated[list[_AskedView], Field(max_length=16)]


class SiteSimilarQuestion(_SiteQuestion):
    """Find the cases most like a study, given by its vectors; `study`, `stored_as` and `patient` are left out."""

    study: _Pseudonym
    stored_as: _Pseudonym
    patient: _Pseudonym
    series: Annotated[list[_AskedSeries], Field(min_length=1, max_length=64)]
    k: _Count
    where: _Filters
    words: _Vector | None
    is_region: bool
    include_same_patient: bool


class SiteImagesQuestion(_SiteQuestion):
    """Find the studies that answer words, given by their vector."""

    vector: _Vector
    views: Annotated[list[_Name], Field(max_length=64)] | None
    k: _Count
    where: _Filters


class SiteWordsQuestion(_SiteQuestion):
    """Say how many sentences of reports have each word."""

    words: _Words


class _Statistics(_SitePart):
    sentences: Annotated[int, Field(ge=0, le=10**12)]
    words: Annotated[float, Field(ge=0, le=10**15)]
    having: Annotated[list[Annotated[int, Field(ge=0, le=10**12)]], Field(max_length=1_000)] | None


class SiteSentencesQuestion(_SiteQuestion):
    """Find the sentences of reports nearest to words, by meaning and by keyword."""

    vector: _Vector
    words: _Words
    depth: Annotated[int, Field(ge=1, le=12_800)]
    where: _Filters
    statistics: _Statistics | None
