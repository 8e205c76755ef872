"""Who looks: the role of a visitor who logged in, the way out, and what is said when the session has ended.

And what a citation of something shown names: software, encoder and archive.
"""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import gradio as gr
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from radseek.app.archive_state import generation_of
from radseek.app.session import Session
from radseek.app.verdicts import encoder_id
from radseek.demo.page.page_words import section_words
from radseek.demo.page.shell import Shell
from radseek.retrieval.document import NOTICE

__all__ = ["visitor_panel", "visitor_routes"]

_KEPT: Final = {"Cache-Control": "private, no-store"}
_LOAD: Final = """
const root = element.querySelector('.rs-visitor');
import(%s + '/web/visitor.js').then((visitor) => {
  visitor.attach(root, %s + '/archive', props.value);
  watch('value', () => visitor.speak(props.value));
});
"""


def visitor_panel(shell: Shell) -> None:
    """Build the line; it is hidden where nobody had to log in.

    Args:
        shell: what the tabs share.
    """
    base = json.dumps(shell.base)
    settings: dict[str, Any] = {"apply_default_css": False, "elem_id": "rs-visitor"}
    line = gr.HTML(
        section_words("visitor", "en"),
        html_template='<div class="rs-visitor" hidden></div>',
        js_on_load=_LOAD % (base, base),
        **settings,
    )
    shell.speak(partial(section_words, "visitor"), [], [line])


def visitor_routes(session: Session, base: str = "") -> APIRouter:
    """Return the routes under `/archive`; whatever guards the app guards them too.

    Args:
        session: whose archive is looked at.
        base: what the page's own addresses start with.

    Returns:
        The routes.
    """
    router = APIRouter(prefix=f"{base}/archive", include_in_schema=False)

    @router.get("/visitor.json")
    def visitor(request: Request) -> Response:
        """Return the role of a visitor who logged in, "" for one who had not to."""
        by_login = getattr(request.state, "by_login", False)
        return JSONResponse({"role": request.state.role if by_login else ""}, headers=_KEPT)

    @router.get("/citation.json")
    def citation() -> Response:
        """Return what a citation names beside the place."""
        with session.engine() as engine:
            spec = engine.encoder.spec
        archive = "" if session.index is None else f"archive at generation {generation_of(session)}"
        software = f"radseek {version('radseek')}, encoder {spec.name} ({encoder_id(spec)})"
        return JSONResponse({"software": software, "archive": archive, "notice": NOTICE}, headers=_KEPT)

    return router
