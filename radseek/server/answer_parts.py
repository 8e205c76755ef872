"""What the models of all answers share: the strict base, the encoder, the notice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Answer", "Match", "Pair", "Part", "Point", "Polarity", "State"]

State = Literal["present", "absent", "uncertain", "abstain"]
Polarity = Literal["present", "absent", "uncertain"]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Point = Annotated[list[float], Field(min_length=3, max_length=3)]


class Part(BaseModel):
    """A part of an answer: a field more or less is an error."""

    model_config = ConfigDict(extra="forbid")


class _Encoder(Part):
    name: str
    dim: int
    precision: str
    meaningless: bool
    imaging: str
    towers: str
    pooling: str


class Answer(Part):
    """What every answer says."""

    notice: str
    encoder: _Encoder


class Match(Part):
    """A slice of the query and the slice of the case that it resembles."""

    view: str
    query_slice: int
    case_slice: int
    similarity: float
