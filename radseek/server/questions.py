"""What may be asked: the bodies of the questions. A study is named by its key, never by a path."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from radseek.prompts import list_sets

__all__ = ["ClassifyQuestion", "ExplainQuestion", "Key", "ScreenQuestion", "SearchQuestion", "SimilarQuestion"]

_SETS: Final = list_sets()


def _shipped(name: str) -> str:
    """Only shipped sets: elsewhere a set may be a file's path, and nobody who asks from outside names files here."""
    if name not in _SETS:
        raise ValueError(f"no such set of findings; there are {', '.join(_SETS)}")
    return name


def _no_date(name: str) -> str:
    """Refuse an order by day: who may ask over HTTP is told years."""
    if name.strip().casefold() == "date":
        raise ValueError("answers are not sorted by date here; ask for year")
    return name


Key = Annotated[str, StringConstraints(pattern=r"^2\.25\.[0-9]{1,39}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
_Set = Annotated[str, AfterValidator(_shipped), Field(json_schema_extra={"enum": list(_SETS)})]
_Count = Annotated[int, Field(ge=1, le=100)]
_Filters = Annotated[
    list[Annotated[str, StringConstraints(min_length=3, max_length=200)]],
    Field(max_length=20, description="FIELD=VALUE, such as modality=CT or age=40-60."),
]
_Sort = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60),
    AfterValidator(_no_date),
    Field(
        description="similarity, or a filter's field such as year; not date, whose order would tell days.",
        json_schema_extra={"not": {"pattern": r"^\s*[dD][aA][tT][eE]\s*$"}},
    ),
]
_Facets = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=60)]],
    Field(max_length=20, description="Filters' fields, whose values are counted over the studies that pass."),
]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _AboutFindings(_Question):
    study: Key
    findings: _Set | None = Field(None, description="A shipped set; without it and `finding` the one that fits.")
    finding: Annotated[list[_Words], Field(min_length=1, max_length=64)] | None = Field(
        None, description="Findings in words, English or Chinese."
    )

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.findings is not None and self.finding is not None:
            raise ValueError("give either findings or finding, not both")
        return self


class ScreenQuestion(_AboutFindings):
    """Score findings in one study."""


class ClassifyQuestion(_Question):
    """Share one between labels that exclude each other."""

    study: Key
    labels: Annotated[list[_Words], Field(min_length=2, max_length=50)]


class SimilarQuestion(_Question):
    """Find the earlier cases most like a study."""

    study: Key
    k: _Count = 10
    where: _Filters = []
    text: _Sentence | None = None
    sort: _Sort = "similarity"
    facets: _Facets = []
    contrast: _Words | None = Field(None, description="A finding: also the nearest cases with it, and without.")
    include_same_patient: bool = Field(
        False,
        validation_alias=AliasChoices("include_same_patient", "same_patient"),  # the second: as before 0.2
    )


class SearchQuestion(_Question):
    """Find studies and report sentences in words."""

    text: _Sentence
    k: _Count = 10
    where: _Filters = []
    within: Literal["images", "reports", "both"] = "both"
    sort: _Sort = "similarity"
    facets: _Facets = []


class ExplainQuestion(_AboutFindings):
    """Say what is seen in a study and where, with sources. `stream`: sentence by sentence, one JSON line each."""

    k: _Count = 5
    narrator: Literal["template", "local"] = "template"
    lang: Literal["en", "zh"] = "en"
    stream: bool = False
