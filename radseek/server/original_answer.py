"""The one answer that names where a study came from; for admins alone."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["OriginalAnswer"]


class OriginalAnswer(BaseModel):
    """What a stored study is called where it came from; for admins alone. `date` is YYYY-MM-DD."""

    model_config = ConfigDict(extra="forbid")

    notice: str
    study: str
    study_uid: str | None
    accession: str | None
    date: str | None
    path: str | None
    paths: list[str]
