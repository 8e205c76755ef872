"""What the page asks of whoever writes explanations: `radseek` gives it one, since `demo` cannot import `radseek`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from radseek.app.session import Session
from radseek.demo.page.page_words import Lang

__all__ = ["Question", "WriteExplanation"]


@dataclass(frozen=True, slots=True)
class Question:
    """One study to explain. `findings`: a set's name or words; the masks are files; `prior` is a study's key."""

    study: str
    findings: str | tuple[str, ...]
    lang: Lang = "en"
    narrator: str = "template"
    mask: Path | None = None
    prior: str | None = None
    prior_mask: Path | None = None


class WriteExplanation(Protocol):
    """Explains: returns one self-contained HTML page. Raises `RadseekError`s."""

    def __call__(self, session: Session, question: Question, progress: Callable[[int, int], None], /) -> str:
        """Return the explanation as an HTML page without scripts.

        `progress(done, of)` is called after each sentence; what it raises ends the work and is raised.
        """
