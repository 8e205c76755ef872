"""What the strip above the images asks for: the worklist with what readers said of it, and one verdict at a time."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from radseek.app.archive_state import archive_of
from radseek.app.session import Session
from radseek.app.verdicts import latest
from radseek.app.worklist import WorklistRow
from radseek.demo.page.error_message import code_of
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.study_picker import case_label
from radseek.demo.page.verdict_panel import save_verdict
from radseek.prompts.catalogue import find
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.explain.claims.wording import bounded
from radseek.retrieval.index.store import Case

__all__ = ["worklist_routes"]

_MOST: Final = 2_000  # rows that are gone through; the others come once these are read
_KEPT: Final = {"Cache-Control": "private, no-store"}


class GivenVerdict(BaseModel):
    """A reader's word on one finding of one study."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field(min_length=1, max_length=64)
    finding: str = Field(min_length=1, max_length=120)
    opinion: Literal["agree", "disagree", "unsure"]
    reader: str = Field("", max_length=120)
    lang: Literal["en", "zh"] = "en"


def worklist_routes(session: Session, base: str = "") -> APIRouter:
    """Return the routes under `/archive`; whatever guards the app guards them too.

    Args:
        session: whose archive was screened.
        base: what the page's own addresses start with.

    Returns:
        The routes.
    """
    router = APIRouter(prefix=f"{base}/archive", include_in_schema=False)

    @router.get("/worklist/{lang}.json")
    def rows(
        lang: Literal["en", "zh"], reader: Annotated[str, Header(alias="X-Reader", max_length=400)] = ""
    ) -> Response:
        try:
            return JSONResponse(_rows(session, lang, " ".join(unquote(reader).split())), headers=_KEPT)
        except RadseekError as error:
            return _refused(error, lang)

    @router.post("/verdict")
    def verdict(given: GivenVerdict) -> Response:
        try:
            save_verdict(session, given.study, given.finding, given.opinion, "", given.reader)
        except RadseekError as error:
            return _refused(error, given.lang)
        return JSONResponse({"saved": True}, headers=_KEPT)

    return router


def _refused(error: RadseekError, lang: Lang) -> Response:
    reason = say_or(f"code.{code_of(error)}", lang, say("code.other", lang))
    return JSONResponse({"reason": reason}, 422, headers=_KEPT)


def _rows(session: Session, lang: Lang, reader: str = "") -> list[dict[str, Any]]:
    """Return the rows that name a finding, in their order, each with the reader's own last word on it.

    A reader who gives a name does not see what others said.
    """
    archive = archive_of(session)
    shown = [row for row in archive.screening.worklist() if row.finding is not None][:_MOST]
    log = () if archive.log is None else archive.log.read().verdicts
    said = {(one.study, one.finding): one.verdict for one in latest(log) if one.reader == reader}
    cases = {case.key: case for case in session.named([row.study for row in shown])}
    return [
        _row(row, cases[row.study], said.get((row.study, row.finding or ""), ""), lang)
        for row in shown
        if row.study in cases
    ]


def _row(row: WorklistRow, case: Case, opinion: str, lang: Lang) -> dict[str, Any]:
    finding = find(row.finding or "")
    return {
        "study": row.study,
        "label": case_label(case, lang),
        "finding": finding.name,
        "name": finding.names[lang],
        "state": row.state,
        "said": say_or(f"state.{row.state}", lang, str(row.state)),
        "chance": bounded(row.probability or 0.0),
        "opinion": opinion,
        "at": {"series": row.series, "view": row.view, "z": row.key_slice, "finding": finding.name},
    }
