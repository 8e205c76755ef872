"""A settings file of one kind of folder: what neither the weights nor their package's files say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.errors import EncoderError

__all__ = ["read_settings"]


def read_settings(path: Path, settings: type[Any]) -> dict[str, Any]:
    """Return what a JSON file says, by the names of the fields of the dataclass `settings`; values are as they are.

    Raises `EncoderError` where it is malformed or says something else.
    """
    given = read_json(path)
    names = [one.name for one in fields(settings)]
    other = sorted(set(given) - set(names))
    if other:
        raise EncoderError(f"{path} holds {', '.join(other)}; it may hold {', '.join(names)}.")
    return given
