"""What the Studies tab asks for: rows of the list, and a picture of each study. Words come in POST bodies only."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from radseek.app.session import Session
from radseek.app.study_list import FACETS, ListedStudy, ListQuestion, StudyList
from radseek.demo.page.page_words import LANGUAGES, Lang, say, say_or
from radseek.demo.page.study_picker import kind_label, short_key
from radseek.pictures.slice_pictures import picture_of
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.index.store import Case

__all__ = ["study_list_routes"]

_MOST: Final = 200  # rows of one answer
_SIDE: Final = 96  # pixels of the longer side
_KEPT: Final = {"Cache-Control": "private, no-store"}
_PICTURE: Final = {"Cache-Control": "private, max-age=600"}
Order = Literal["key", "kind", "date", "year", "age", "slices", "description"]


class RowsQuestion(BaseModel):
    """Which rows: `words` all of them, `where` one of the values in each facet."""

    model_config = ConfigDict(extra="forbid")

    words: str = Field("", max_length=300)
    where: dict[Literal["kind", "sex", "when", "year", "report"], list[str]] = Field(default_factory=dict)
    order: Order = "key"
    falling: bool = False
    keys: list[str] | None = Field(None, max_length=20_000)
    offset: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=_MOST)
    lang: Literal["en", "zh"] = "en"


def study_list_routes(session: Session, base: str = "") -> APIRouter:
    """Return the routes under `/archive`; whatever guards the app guards them too.

    Args:
        session: whose archive is listed.
        base: what the page's own addresses start with.

    Returns:
        The routes. Accession numbers and paths are for who may change the archive; `request.state.role` says who.
    """
    router = APIRouter(prefix=f"{base}/archive", include_in_schema=False)
    studies = StudyList(session, _called)

    @router.post("/studies")
    def rows(asked: RowsQuestion, request: Request) -> Response:
        named = _may_name(request)
        given = asked.model_dump(exclude={"lang", "keys"})
        try:
            found = studies.ask(
                ListQuestion(**given, named=named, keys=None if asked.keys is None else frozenset(asked.keys))
            )
        except RadseekError:
            return JSONResponse({"reason": say("code.index", asked.lang)}, 503, headers=_KEPT)
        body = {
            "total": found.total,
            "of": session.count(),
            "rows": [_row(one, asked.lang, named=named) for one in found.rows],
            "facets": [_facet(name, found.facets[name], asked.lang) for name in FACETS],
        }
        return JSONResponse(body, headers=_KEPT)

    @router.get("/others/{key}/{lang}.json")
    def others(key: Annotated[str, Path(max_length=64)], lang: Lang, request: Request) -> Response:
        """Return the other studies of a study's patient, the latest first."""
        try:
            found = studies.of_patient(key)
        except RadseekError:
            return JSONResponse({"reason": say("code.index", lang)}, 503, headers=_KEPT)
        return JSONResponse([_row(one, lang, named=_may_name(request)) for one in found[:_MOST]], headers=_KEPT)

    @router.get("/thumb/{key}")
    def thumb(key: Annotated[str, Path(max_length=64)]) -> Response:
        """Return the middle slice of a study, or nothing where its images can no longer be read."""
        picture = _picture(session, session.editions, key)
        return Response(status_code=204) if picture is None else Response(picture, 200, _PICTURE, "image/png")

    return router


def _may_name(request: Request) -> bool:
    """Say whether accession numbers, dates and paths are for a visitor; without a guard, whoever is at this machine."""
    return getattr(request.state, "role", "admin") == "admin"


def _called(case: Case) -> str:
    """Return what a study is called in both languages, for its words to be found in either."""
    kinds = dict.fromkeys((one.modality, one.body_part) for one in case.series)
    named = [kind_label(*kind, lang) for kind in kinds for _, lang in LANGUAGES]
    return " ".join((*named, *(f"{modality} {body}" for modality, body in kinds)))


def _row(one: ListedStudy, lang: Lang, *, named: bool) -> dict[str, Any]:
    person = [say_or(f"sex.{one.sex}", lang, ""), say("study.years", lang, age=one.age) if one.age is not None else ""]
    size = [say("study.series", lang, count=one.series) if one.series > 1 else "", _slices(one, lang)]
    day = one.date if named and one.date else str(one.year or "")
    facts = [*person, day, *size, say("list.report", lang) if one.has_report else ""]
    kinds = [kind_label(*kind, lang) for kind in one.kinds[:2]]
    row = {
        "study": one.key,
        "label": ", ".join(kinds) or short_key(one.key),
        "facts": " · ".join(text for text in facts if text),
        "description": one.description,
        "key": short_key(one.key),
    }
    row["when"] = day
    return row | ({"accession": one.accession, "path": one.path} if named else {})


def _slices(one: ListedStudy, lang: Lang) -> str:
    return say("study.image", lang) if one.slices == 1 else say("study.slices", lang, count=one.slices)


def _facet(name: str, counts: Any, lang: Lang) -> dict[str, Any]:
    values = [{"value": value, "label": _value(name, value, lang), "count": count} for value, count in counts.items()]
    return {"name": name, "label": say(f"list.by_{name}", lang), "values": values}


def _value(name: str, value: str, lang: Lang) -> str:
    if name == "kind":
        modality, _, body = value.partition("/")
        return kind_label(modality, body, lang)
    if name == "when":
        return say(f"list.when_{value}", lang)
    if name == "report":
        return say("list.report" if value == "yes" else "list.no_report", lang)
    return say_or(f"sex.{value}", lang, value) if name == "sex" else value


@lru_cache(maxsize=2048)
def _picture(session: Session, _edition: int, key: str) -> bytes | None:
    try:
        study = session.opening_slice(key) or session.pixels(key)
    except RadseekError:
        return None
    if study is None:
        return None
    series = max(study.series, key=lambda one: one.volume.voxels.shape[0] > 1)
    voxels = series.volume.voxels
    middle = voxels[len(voxels) // 2 :][:1]
    view = next(iter(iter_views(replace(series, volume=replace(series.volume, voxels=middle)))))
    return base64.b64decode(picture_of(view, 0, side=_SIDE).src.partition(",")[2])
