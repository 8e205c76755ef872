"""What notebook.js asks for: what readers kept, to keep more, to take it away; and all of it as CSV."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from radseek.app.archive_state import archive_of
from radseek.app.notebook import NotebookEntry, new_entry, notebook_csv
from radseek.app.session import Session
from radseek.demo.page.error_message import code_of
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.study_picker import label_of
from radseek.retrieval.errors import RadseekError, UnknownNameError, UsageError

__all__ = ["notebook_routes"]

_KEPT: Final = {"Cache-Control": "private, no-store"}
_MOST: Final = 500  # entries of one answer; the file has all


class ToKeep(BaseModel):
    """What a reader keeps; with an `id` it takes the place of what is kept under it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["case", "search", "measurement"]
    study: str = Field("", max_length=64)
    text: str = Field("", max_length=2000)
    note: str = Field("", max_length=2000)
    place: dict[str, Any] = Field(default_factory=dict)
    id: str = Field("", max_length=32)
    lang: Literal["en", "zh"] = "en"


class ToTakeAway(BaseModel):
    """An entry that is no longer wanted."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=32)
    lang: Literal["en", "zh"] = "en"


def notebook_routes(session: Session, base: str = "") -> APIRouter:
    """Return the routes under `/archive`; whatever guards the app guards them too.

    Args:
        session: whose archive the notebook is of.
        base: what the page's own addresses start with.

    Returns:
        The routes.
    """
    router = APIRouter(prefix=f"{base}/archive", include_in_schema=False)

    @router.get("/notes/{lang}.json")
    def entries(lang: Lang, study: Annotated[str, Query(max_length=64)] = "") -> Response:
        """Return what is kept, the newest first; of one study where it is named."""
        notebook = archive_of(session).notebook
        held = [] if notebook is None else notebook.entries(study)[:_MOST]
        return JSONResponse([_shown(session, one, lang) for one in held], headers=_KEPT)

    @router.post("/notes")
    def keep(given: ToKeep) -> Response:
        """Keep something."""
        try:
            notebook = archive_of(session).notebook
            if notebook is None:
                raise UsageError("Nothing can be kept without an archive; open one with --index.")
            if given.study:
                session.case(given.study)
            entry = new_entry(
                given.kind, given.study, given.text, note=given.note, place=given.place, identity=given.id
            )
            notebook.keep(entry)
        except RadseekError as error:
            return _refused(error, given.lang)
        return JSONResponse(_shown(session, entry, given.lang), headers=_KEPT)

    @router.post("/notes/gone")
    def take_away(given: ToTakeAway) -> Response:
        """Take an entry away."""
        notebook = archive_of(session).notebook
        try:
            gone = notebook is not None and notebook.take_away(given.id)
        except RadseekError as error:
            return _refused(error, given.lang)
        return JSONResponse({"gone": gone}, headers=_KEPT)

    @router.get("/notes.csv")
    def export() -> Response:
        """Return all that is kept."""
        notebook = archive_of(session).notebook
        text = notebook_csv([] if notebook is None else notebook.entries())
        headers = {"Content-Disposition": 'attachment; filename="notes.csv"', "Cache-Control": "no-store"}
        return Response(f"\ufeff{text}".encode(), media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _shown(session: Session, one: NotebookEntry, lang: Lang) -> dict[str, Any]:
    label = ""
    if one.study:
        try:
            label = label_of(session, one.study, lang)
        except UnknownNameError:  # no longer in the archive
            label = one.study[-6:]
    return {
        "id": one.id, "kind": one.kind, "study": one.study, "label": label, "text": one.text, "note": one.note,
        "time": one.time[:10], "place": dict(one.place),
    }  # fmt: skip


def _refused(error: RadseekError, lang: Lang) -> Response:
    reason = say_or(f"code.{code_of(error)}", lang, say("code.other", lang))
    return JSONResponse({"reason": reason}, 422, headers=_KEPT)
