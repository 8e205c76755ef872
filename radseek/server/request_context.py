"""What a route needs to answer: the session, the settings and the narrators, handed to it with the request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import Annotated, Final

from fastapi import Depends, Request

from radseek.app.session import Session
from radseek.retrieval.engine import Engine, Findings
from radseek.retrieval.errors import BusyError, NarratorError, UsageError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.scoring.probe_files import asked_finding
from radseek.server.question_rate import QuestionRate
from radseek.server.questions import ExplainQuestion, ScreenQuestion
from radseek.server.settings import Settings

__all__ = ["At", "RequestContext"]

_UPLOADS: Final = 2  # read at once; each has a worker process


@dataclass(slots=True)
class RequestContext:
    """One for the life of a server."""

    session: Session
    settings: Settings
    _local: Narrator = field(default_factory=lambda: _OneAtATime(load_narrator("local")))
    site_rate: QuestionRate = field(init=False)
    _uploads: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_UPLOADS))

    def __post_init__(self) -> None:
        self.site_rate = QuestionRate(self.settings.site_questions)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Give the engine. Raises `BusyError` where it does not come free in time."""
        with self.session.engine(self.settings.timeout) as engine:
            yield engine

    @contextmanager
    def place_to_read(self) -> Iterator[None]:
        """Wait for one of the places where uploads are read. Raises `BusyError`."""
        if not self._uploads.acquire(timeout=self.settings.timeout):
            raise BusyError("Other uploads are being read; send yours again in a moment.")
        try:
            yield
        finally:
            self._uploads.release()

    def findings(self, question: ScreenQuestion | ExplainQuestion) -> Findings:
        """Return what to look for: what was asked, or the set that fits the study."""
        if question.findings is not None:
            return question.findings
        if question.finding is not None:
            return [asked_finding(words, self.session.index) for words in question.finding]
        fitting = self.session.finding_set(question.study)
        if fitting is None:
            raise UsageError("No shipped set of findings fits this study; say what to look for in `finding`.")
        return fitting

    def narrator(self, name: str) -> Narrator:
        """Return a narrator; the local model is loaded once."""
        return self._local if name == "local" else load_narrator(name)


class _OneAtATime:
    """A narrator whose model serves one claim at a time."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Return the narrator's name."""
        return self._narrator.name

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        """Return the narrator's sentence. Raises `NarratorError`, also where the model does not come free in time."""
        if not self._lock.acquire(timeout=30.0):
            raise NarratorError("The local model is busy with another explanation; ask again in a moment.")
        try:
            return self._narrator.rephrase(claim, items, lang)
        finally:
            self._lock.release()


def _request_context(request: Request) -> RequestContext:
    at: RequestContext = request.app.state.at
    return at


At = Annotated[RequestContext, Depends(_request_context)]
