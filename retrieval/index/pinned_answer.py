"""Answers from a generation that stays: a compaction between two steps of one is said, not stumbled over."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

__all__ = ["Pinned", "pinned"]


class Pinned(Protocol):
    """What answers from one generation."""

    def check_pinned(self) -> None:
        """Raise `IndexFolderError` where a compaction deleted what the generation needs."""
        ...


_P = ParamSpec("_P")
_T = TypeVar("_T")
_S = TypeVar("_S", bound=Pinned)


def pinned(answer: Callable[Concatenate[_S, _P], _T]) -> Callable[Concatenate[_S, _P], _T]:
    """Return a method that sees before and after its answer that no compaction came; then it sends the reader back.

    An answer takes several steps, and a compaction deletes rows and files in between. What is missing then is not
    damage, and what was found is not all.
    """

    @wraps(answer)
    def whole(self: _S, /, *args: _P.args, **named: _P.kwargs) -> _T:
        self.check_pinned()
        try:
            found = answer(self, *args, **named)
        except Exception:
            self.check_pinned()  # which is why rows are missing, if it raises
            raise
        self.check_pinned()
        return found

    return whole
