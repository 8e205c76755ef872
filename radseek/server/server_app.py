"""The server put together: the API and the page, behind limits, tokens and headers."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from radseek.app.session import Session
from radseek.server.auth import FOR_SITES, OPEN, Guard, LoginSessions
from radseek.server.headers import Marked
from radseek.server.limits import BodyLimit, Senders, WaitingLimit, Whole
from radseek.server.login import login_routes
from radseek.server.openapi import describe
from radseek.server.origins import OwnOrigin
from radseek.server.problems import answer_errors
from radseek.server.request_context import RequestContext
from radseek.server.routes import api, health
from radseek.server.settings import Settings
from radseek.server.site_routes import site_api
from radseek.server.upload_route import uploads

__all__ = ["UPLOAD_PATHS", "create_api", "create_app", "guarded"]

UPLOAD_PATHS: Final = ("/v1/uploads", "/gradio_api/upload")
_ORDINARY: Final = 1 << 20  # bytes of any other body
_VECTORS: Final = 16 << 20  # bytes of a study's vectors: some 4,000 slices of 1,024 numbers
_MARGIN: Final = 1 << 20  # bytes of an upload's own form around its files
_UPLOADS: Final = ("/v1/uploads",)
_AT_ONCE: Final = 4  # questions at work: one has the engine, the next are read and the last written
_SENDERS: Final = 16  # uploads under way
_LISTS: Final = ("/v1/studies",)  # looked up beside the engine, so they stand behind no question
_DESCRIPTION: Final = "/openapi.json"
_VERSION: Final = "1"
_OURS: Final = (*OPEN, _DESCRIPTION)


def create_app(session: Session, settings: Settings | None = None, page: FastAPI | None = None) -> ASGIApp:
    """Return the server of a session: the API and, where a page is given, that page behind the same guard."""
    settings = settings or Settings()
    sessions = LoginSessions()
    own = create_api(session, settings, sessions)
    return guarded(own if page is None else _ApiOrPage(own, page), settings, sessions)


def create_api(session: Session, settings: Settings, sessions: LoginSessions) -> FastAPI:
    """Return the API alone, unguarded: `create_app` puts the guards around it."""
    app = FastAPI(
        title="radseek",
        version=_VERSION,
        openapi_url=_DESCRIPTION,
        docs_url=None,  # its page comes from a CDN
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.at = RequestContext(session, settings)
    answer_errors(app)
    for router in (api, site_api, uploads, health, login_routes(settings, sessions)):
        app.include_router(router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # as FastAPI's own documentation does
    return app


def guarded(app: ASGIApp, settings: Settings, sessions: LoginSessions) -> ASGIApp:
    """Put an app behind the limits, from the inside out: what is refused first costs least."""
    ours, timeout, idle = ("/v1/",), settings.timeout, settings.idle
    but = (*_UPLOADS, *_LISTS)
    app = WaitingLimit(
        app, most=settings.most_waiting, at_once=_AT_ONCE, timeout=timeout, idle=idle, prefix=ours, but=but
    )
    app = WaitingLimit(app, most=settings.most_waiting, at_once=_AT_ONCE, timeout=timeout, idle=idle, prefix=_LISTS)
    app = Senders(app, most=_SENDERS, prefix=_UPLOADS)
    app = Whole(app, prefix=ours, but=_UPLOADS)
    app = Guard(app, settings, sessions)
    limits = dict.fromkeys(UPLOAD_PATHS, settings.uploads.stored + _MARGIN) | {FOR_SITES: _VECTORS}
    app = BodyLimit(app, limits=limits, ordinary=_ORDINARY, idle=idle, pace=settings.pace)
    app = OwnOrigin(app, settings.names, settings.host)
    return Marked(app)


class _ApiOrPage:
    """Sends `/v1` and the few other routes of ours to the API, which answers for all of them; the page has the rest."""

    def __init__(self, own: FastAPI, page: FastAPI) -> None:
        self.own, self.page = own, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] != "lifespan" and (scope["path"].startswith("/v1/") or scope["path"] in _OURS)
        await (self.own if ours else self.page)(scope, receive, send)
