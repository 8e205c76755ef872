"""The encoders that are known by name, from one table of data: `known_encoders.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["KnownEncoder", "known_encoders"]

_TABLE = Path(__file__).with_name("known_encoders.toml")


@dataclass(frozen=True, slots=True)
class KnownEncoder:
    """One encoder of the table.

    `input` is the side of its pictures in pixels, `width` the length of its vectors, `dimensions` 2 for slices and 3
    for volumes. `repository` is on the hub, "" for what comes with radseek, and `revision` the commit that is taken,
    None for the main branch; `terms` where what binds its users can be read, "" for nothing beyond its licence.
    Where weights were published alone, `weights` is their file, `base` (at `base_revision`) the repository of what
    describes their towers, and `written` what is written beside them: files by name, and what they say. `by_hand`:
    of weights that are on no hub, where they lie and what goes with them.
    """

    name: str
    input: int
    width: int
    licence: str
    trained_on: str
    measured: str
    repository: str = ""
    revision: str | None = None
    text_revisions: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    base: str = ""
    base_revision: str | None = None
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    terms: str = ""
    gated: bool = False
    text: bool = True
    dimensions: int = 2
    by_hand: str = ""


@cache
def known_encoders() -> Mapping[str, KnownEncoder]:
    """Return the encoders of the table by name, in its order."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {name: KnownEncoder(name, **about) for name, about in table.items()}
