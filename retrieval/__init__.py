"""The engine that answers: imaging, encoders, the index, scoring and search."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radseek.retrieval.engine import Engine
    from radseek.retrieval.imaging.study_reader import read_study

__all__ = ["Engine", "read_study"]


def __getattr__(name: str) -> object:
    # Late, so that a worker that only reads pixels does not import the encoders, and torch with them.
    if name == "Engine":
        from radseek.retrieval.engine import Engine

        return Engine
    if name == "read_study":
        from radseek.retrieval.imaging.study_reader import read_study

        return read_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
