"""The page mounted in a FastAPI app: its own files from disk, and Gradio's page without any address but ours."""

from __future__ import annotations

import os
import re
import secrets
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radseek.app.session import Session
from radseek.demo.page.archive_files import archive_routes
from radseek.demo.page.explanations import WriteExplanation
from radseek.demo.page.notebook_routes import notebook_routes
from radseek.demo.page.study_list_routes import study_list_routes
from radseek.demo.page.visitor_panel import visitor_routes
from radseek.demo.page.worklist_routes import worklist_routes
from radseek.demo.viewer import viewer_routes

__all__ = ["local_page", "mount_page", "page_policy"]

_SCRIPT: Final = "text/javascript; charset=utf-8"
_MEDIA: Final = {
    "answers.js": _SCRIPT,
    "page.js": _SCRIPT,
    "address.js": _SCRIPT,
    "ahead.js": _SCRIPT,
    "take_away.js": _SCRIPT,
    "studies.js": _SCRIPT,
    "suggest.js": _SCRIPT,
    "tab_bar.js": _SCRIPT,
    "worklist.js": _SCRIPT,
    "prior.js": _SCRIPT,
    "notebook.js": _SCRIPT,
    "visitor.js": _SCRIPT,
    "skeleton.js": _SCRIPT,
    "page.css": "text/css; charset=utf-8",
}
# What Gradio's page asks of others or for others: cards for social networks, an iframe resizer, a manifest.
_FOREIGN: Final = (
    re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>', re.S),
    re.compile(r"<script\b[^>]*>(?:(?!</script>).)*iframe-?resizer(?:(?!</script>).)*</script>", re.S | re.I),
    re.compile(r'<link rel="manifest"[^>]*>'),
)
_MODE: Final = '<script>window.__gradio_mode__ = "app";</script>'


def mount_page(
    app: FastAPI, session: Session, path: str = "/", *, explain: WriteExplanation, max_upload: int | None = None
) -> None:
    """Mount the viewer, the page's files and the page in an app. Do it last: at "/" it answers what nobody else does.

    `explain` writes explanations (`explain_html`); `max_upload`: bytes of one file, above which Gradio refuses it.
    Raises `ImportError` where gradio is not installed.
    """
    # Both are read when gradio is imported.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "True"
    import gradio as gr

    from radseek.demo.page.theme import reading_room
    from radseek.demo.page.whole_page import build_page

    base = path.rstrip("/")
    app.include_router(viewer_routes(session))
    app.include_router(_files(base))
    app.include_router(archive_routes(session, base))
    app.include_router(study_list_routes(session, base))
    app.include_router(worklist_routes(session, base))
    app.include_router(notebook_routes(session, base))
    app.include_router(visitor_routes(session, base))
    gr.mount_gradio_app(
        app,
        build_page(session, explain=explain, base=base),
        path,
        theme=reading_room(),
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=max_upload,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
    )
    mounted: Any = app.router.routes[-1]
    mounted.app = _LocalPage(mounted.app, base)


def local_page(page: str, nonce: str, base: str) -> str:
    """Return Gradio's page with our files and no address off this server, every script under the nonce."""
    for pattern in _FOREIGN:
        page = pattern.sub("", page)
    ours = (
        f'<title>radseek</title><link rel="icon" href="data:,"><link rel="stylesheet" href="{base}/web/page.css">'
        f'{_MODE}<script src="{base}/web/answers.js"></script>'  # before Gradio's own, which fetches
        f'<script type="module" src="{base}/web/page.js"></script>'
    )
    page = page.replace("</head>", f"{ours}</head>", 1)
    return re.sub(r"<script\b", f'<script nonce="{nonce}"', page)


def page_policy(nonce: str) -> str:
    """Return the page's content-security policy.

    Gradio compiles its templates, hence `unsafe-eval`. No inline script runs without the nonce, so text that slipped
    through as markup could not run one.
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'self'; "
        "worker-src 'self' blob:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    )


def _files(base: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(f"{base}/web/{{name}}")
    def page_file(name: str) -> Response:
        """Return one of the page's own files."""
        if name not in _MEDIA:
            return Response(status_code=404)
        content = files("radseek.demo.page").joinpath(name).read_bytes()
        return Response(content, media_type=_MEDIA[name], headers={"Cache-Control": "no-cache"})

    return router


class _LocalPage:
    """Passes everything on to Gradio, and rewrites the one page that it answers."""

    def __init__(self, app: ASGIApp, base: str) -> None:
        self.app, self.base = app, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["path"].rstrip("/") == self.base and scope["method"] == "GET"
        if not page:
            await self.app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self.app({**scope, "headers": plain}, receive, keep)
        await self._answer(kept)(scope, receive, send)

    def _answer(self, kept: list[Message]) -> Response:
        body = b"".join(message.get("body", b"") for message in kept if message["type"] == "http.response.body")
        status = next(message["status"] for message in kept if message["type"] == "http.response.start")
        nonce = secrets.token_urlsafe(16)
        headers = {"Content-Security-Policy": page_policy(nonce), "Cache-Control": "no-store"}
        return Response(local_page(body.decode("utf8"), nonce, self.base), status, headers, "text/html; charset=utf-8")
