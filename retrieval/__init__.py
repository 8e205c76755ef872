"""The engine that answers: imaging, encoders, the index, scoring and search."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.engine import Engine
    from retrieval.imaging.read import read_study

__all__ = ["Engine", "read_study"]


def __getattr__(name: str) -> object:
    # Late, so that a worker that only reads pixels does not import the encoders, and torch with them.
    if name == "Engine":
        from retrieval.engine import Engine

        return Engine
    if name == "read_study":
        from retrieval.imaging.read import read_study

        return read_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
