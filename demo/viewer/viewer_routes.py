"""The viewer's routes: its script and style, a study's scene, raw planes, heat maps. Answers only from the session.

What a reader asks for in words comes in POST bodies, so that no log holds it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Coroutine
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from radseek.app.opening_slice import hung_first
from radseek.app.session import Session
from radseek.demo.viewer.mask_layer import masks_of
from radseek.demo.viewer.open_scenes import DrawnHeatMaps, OpenScenes
from radseek.demo.viewer.planes import Cut
from radseek.demo.viewer.scene import Scene
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import (
    BusyError,
    IndexBusyError,
    IndexFolderError,
    RadseekError,
    StorageError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.path_text import hide_paths

__all__ = ["viewer_routes"]

_log: Final = logging.getLogger(__name__)
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_SCRIPTS: Final = (
    *("viewer.js", "viewer.css", "controls.js", "gestures.js", "cine.js", "key_map.js", "mask_overlay.js", "ruler.js"),
    *("paint.js", "picture_file.js", "pixels.js", "profile.js", "region_values.js", "words.js"),
)
# Kept by the visitor's own browser only, and asked for again each time, so that a logout takes effect at once.
_PRIVATE: Final = "private, no-cache"
_SHUT: Final = {
    "busy": "The engine is answering others; ask again in a moment.",
    "index": "The archive cannot be read now: another process changed or removed it. Ask again in a moment.",
    "storage": "The server's disk has no room, or may not be read or written; its log says which folder.",
}
_KEPT_NOWHERE: Final = {"Cache-Control": "private, no-store"}

Key = Annotated[str, Path(max_length=64)]
PlaneName = Literal["axial", "coronal", "sagittal", "stack"]
Number = Annotated[int, Path(ge=0, le=1_000_000)]
Asked = Annotated[str | None, Header(alias="If-None-Match")]


class HeatQuestion(BaseModel):
    """Which finding to map: a name, a synonym or free words, English or Chinese."""

    model_config = ConfigDict(extra="forbid")

    finding: str = Field(min_length=1, max_length=200)
    lang: Literal["en", "zh"] = "en"


class _Explaining(APIRoute):
    """A route whose errors become problem+json, whatever application it is mounted in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its errors caught."""
        answer = super().get_route_handler()

        async def explaining(request: Request) -> Response:
            try:
                return await answer(request)
            except RadseekError as error:
                return _problem(error)

        return explaining


def viewer_routes(session: Session) -> APIRouter:
    """Return the routes under `/viewer`; errors come as problem+json with a `reason_code`."""
    router = APIRouter(prefix="/viewer", include_in_schema=False, route_class=_Explaining)
    scenes, heats, masks = OpenScenes(session), DrawnHeatMaps(session), masks_of(session)
    _add_opening(router, scenes)

    @router.get("/{name}.{kind}")
    def own_file(name: str, kind: Literal["js", "css"], asked: Asked = None) -> Response:
        return _own_file(f"{name}.{kind}", asked)

    @router.get("/studies/{key}")
    def scene(key: Key) -> Response:
        found = scenes.find(key)
        gone = {"study": key, "notice": NOTICE, "series": [], "reason": "no_images"}
        return JSONResponse(gone if found is None else found.document, headers=_KEPT_NOWHERE)

    @router.get("/studies/{key}/series/{series}/{plane}/{k}")
    def plane(key: Key, series: Key, plane: PlaneName, k: Number, asked: Asked = None) -> Response:
        found = scenes.scene(key)
        planes = found.planes(series, plane)
        headers = {"ETag": _etag(found.study.content_hash, key, series, plane, k), "Cache-Control": _PRIVATE}
        if asked == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        cut = planes.cut(k)
        return Response(cut.data, media_type="application/octet-stream", headers={**headers, **_shape(cut)})

    @router.post("/studies/{key}/heat")
    def heat(key: Key, question: HeatQuestion) -> Response:
        token, layer = heats.ask(key, question.finding, scenes)
        return JSONResponse(layer.to_dict(token), headers=_KEPT_NOWHERE)

    @router.get("/studies/{key}/heat/{token}/{k}")
    def heat_picture(key: Key, token: Key, k: Number) -> Response:
        return Response(heats.picture(key, token, k), media_type="image/png", headers=_KEPT_NOWHERE)

    @router.get("/studies/{key}/mask/{token}")
    def mask(key: Key, token: Key) -> Response:
        return JSONResponse(masks.document(key, token), headers=_KEPT_NOWHERE)

    @router.get("/studies/{key}/mask/{token}/{plane}/{k}")
    def mask_picture(key: Key, token: Key, plane: PlaneName, k: Number) -> Response:
        return Response(masks.picture(key, token, plane, k), media_type="image/png", headers=_KEPT_NOWHERE)

    return router


def _add_opening(router: APIRouter, scenes: OpenScenes) -> None:
    """Add what is asked before a study is: what to show first, and that it will be asked for."""

    @router.get("/studies/{key}/opening")
    def opening(key: Key) -> Response:
        found = scenes.opening(key)
        return Response(status_code=204) if found is None else _opening(found[0], whole=found[1])

    @router.post("/studies/{key}/ahead")
    def ahead(key: Key) -> Response:
        scenes.ahead(key)
        return Response(status_code=204)


def _opening(scene: Scene, *, whole: bool) -> Response:
    """A scene and the slice that it opens on: a line of JSON, and behind it the plane's bytes."""
    shown = hung_first([(one["shape"][0], one["body_part"]) for one in scene.document["series"]])
    series = scene.document["series"][shown]
    k = series["planes"][series["plane"]]["count"] // 2
    cut = scene.planes(series["key"], series["plane"]).cut(k)
    told = {"scene": scene.document, "whole": whole, "series": series["key"], "plane": series["plane"], "k": k}
    headers = {**_KEPT_NOWHERE, **_shape(cut)}
    body = json.dumps(told).encode() + b"\n" + cut.data
    return Response(body, media_type="application/octet-stream", headers=headers)


def _shape(cut: Cut) -> dict[str, str]:
    return {"X-Kind": cut.kind, "X-Rows": str(cut.rows), "X-Columns": str(cut.columns)}


@cache
def _read(name: str) -> tuple[bytes, str]:
    data = (files("radseek.demo.viewer") / name).read_bytes()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _own_file(name: str, asked: str | None) -> Response:
    if name not in _SCRIPTS:
        raise HTTPException(404)
    data, etag = _read(name)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if asked == etag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[name[name.rindex(".") :]], headers=headers)


def _etag(*parts: Any) -> str:
    return f'"{hashlib.sha256(chr(0).join(map(str, parts)).encode()).hexdigest()[:32]}"'


def _problem(error: RadseekError) -> Response:
    status, reason = _status(error)
    detail = _SHUT.get(reason) or hide_paths(str(error))
    if detail != str(error):  # where things lie on this machine is for its log
        _log.error("%s", error)
    body = {"type": "about:blank", "title": reason, "status": status, "detail": detail, "reason_code": reason}
    headers = {"Retry-After": "5"} if status == 503 else {}
    headers["Cache-Control"] = "no-store"
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _status(error: RadseekError) -> tuple[int, str]:
    if isinstance(error, BusyError | IndexBusyError):
        return 503, "busy"
    if isinstance(error, IndexFolderError):
        return 503, "index"
    if isinstance(error, StorageError):
        return 507, "storage"
    if isinstance(error, UnknownNameError):
        return 404, "unknown_name"
    if isinstance(error, UsageError):
        return 422, "usage"
    return 422, "not_possible"
