"""A bare page with nothing but viewers, served on loopback, and small phantoms to look at."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from numpy.typing import NDArray

from radseek.app.session import Session
from radseek.demo.viewer import viewer_routes
from radseek.prompts.finding import Finding
from radseek.retrieval.heatmaps.faithfulness import MapCheck
from radseek.retrieval.heatmaps.study_heatmap import HeatMap
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.privacy.pseudonyms import load_key, series_key, study_key
from radseek.retrieval.types import Study, View

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


def bare_app(session: Session) -> FastAPI:
    """The viewer's routes and a page under the strictest policy."""
    app = FastAPI()
    app.include_router(viewer_routes(session))

    @app.get("/")
    def page() -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    @app.get("/free")
    def free() -> Response:
        return HTMLResponse(PAGE)

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
        assert thread.is_alive(), "the server ended as it started"
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def heat_of(*, spot: tuple[int, int], passes: bool = True, margin: float = 0.1) -> Callable[..., HeatMap]:
    """What to put in the place of `Engine.heat_map`: slices 2 and 4 are mapped, and `spot` (row, column) is hot."""

    def heat_map(_: object, study: Study, finding: Finding) -> HeatMap:
        secret = load_key()
        view = make_views(study.series[0])[0]
        shape = view.slices.shape[1:3]
        rows, columns = np.indices(shape)
        reason = "" if passes else "same_with_random_weights"
        hot = np.exp(-((rows - spot[0]) ** 2 + (columns - spot[1]) ** 2) / 8).astype(np.float32)
        maps = _Drawn(view, np.array([2, 4], np.int32), hot)
        key = study_key(study, secret)
        return HeatMap(
            study=key,
            series=series_key(key, study.series[0].uid, 0, secret),
            finding=finding.name,
            view=view.name,
            z=4,
            map=hot if passes else None,
            peak=None,
            peak_mm=None,
            profile=tuple((z, margin - 0.02 * abs(z - 4)) for z in range(len(view.slices))),
            key_slices=(4, 2),
            check=MapCheck(passes, 1.0, 0.0, 0.0, 1.0, (0.5, 1.5), 0.0, 8, reason),
            maps=maps,  # type: ignore[arg-type]
        )

    return heat_map


class _Drawn:
    """Maps that are given rather than computed."""

    def __init__(self, view: View, z: NDArray[np.int32], hot: NDArray[np.float32]) -> None:
        self.view, self.z, self.hot = view, z, hot

    def at(self, z: int) -> NDArray[np.float32]:
        return self.hot
