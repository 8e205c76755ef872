"""A bare page with nothing but viewers, served on loopback, and small phantoms to look at."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from demo.desk import Desk
from demo.viewer import viewer_routes

# No inline script or style, no other host: the viewer must live with it.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Viewers</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"><script type="module" src="/page.js"></script>
</head><body><main><h1>Viewers</h1><div id="one"></div><div id="two"></div></main></body></html>"""
STYLE = "body { margin: 12px; background: #1b2025; color: #e8ecf0; font-family: system-ui } h1 { font-size: 15px }"
SCRIPT = """import { mount } from "/viewer/viewer.js";
window.mountViewer = (id, options) => (window[id + "Viewer"] = mount(document.getElementById(id), options));
window.isReady = true;
"""


def bare_app(desk: Desk) -> FastAPI:
    """The viewer's routes and a page under the strictest policy."""
    app = FastAPI()
    app.include_router(viewer_routes(desk))

    @app.get("/")
    def page() -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    @app.get("/page.js")
    def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    @app.get("/page.css")
    def style() -> Response:
        return Response(STYLE, media_type="text/css")

    return app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an app on a free port of loopback and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
