"""Who may ask: every route by every token, sessions, names, origins, and what a server refuses to start with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from radseek.app.session import Session
from radseek.cli.main import run
from radseek.retrieval.errors import UsageError
from radseek.server.auth import COOKIE, OPEN, LoginSessions
from radseek.server.server_app import create_api, create_app
from radseek.server.settings import Settings, is_loopback, read_settings
from tests.each_support import each
from tests.server_support import ADMIN, GUARDED, READ, Archive, bearer, listening, questions

pytest_plugins = ["tests.server_support"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_key")]
ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
OPERATIONS = [(path, method) for path, methods in sorted(DOCUMENT["paths"].items()) for method in sorted(methods)]
SITE = "site-token-0123456789abcdef"
TOKENS = {
    "none": {},
    "wrong": bearer("wrong-token-0123456789"),
    "site": bearer(SITE),
    "read": bearer(READ),
    "admin": bearer(ADMIN),
}
MAY = {"admin": ("admin", "read", "site"), "read": ("read", "site"), "site": ("site",)}  # ask what needs such a token


def allowed(path: str, method: str, role: str) -> bool:
    needed = DOCUMENT["paths"][path][method]["security"]
    if not needed:
        return True
    return needed[0]["token"][0] in MAY.get(role, ())


@pytest.fixture(scope="module")
def server_with_sites(session: Session) -> Iterator[Callable[[str, str], str]]:
    """The address of a server for a role and a path: two of them, since an address has ten wrong tokens a minute."""
    app = [create_app(session, replace(GUARDED, site_token=SITE)) for _ in range(2)]
    with listening(app[0]) as first, listening(app[1]) as second:
        yield lambda role, path: second if role == "wrong" and path.startswith("/v1/si") else first


@pytest.mark.slow
@each("role", sorted(TOKENS))
@each(("path", "method"), OPERATIONS)
def test_every_operation_by_every_token(
    path: str, method: str, role: str, server_with_sites: Callable[[str, str], str]
) -> None:
    body = questions("2.25.1").get(path)  # no such study: what is allowed ends in 404, 422 or 200, and changes nothing
    address = server_with_sites(role, path) + path.replace("{study}", "2.25.1")
    status = httpx.request(method, address, json=body, headers=TOKENS[role], timeout=60).status_code
    if allowed(path, method, role):
        assert status not in (401, 403)
    else:
        assert status == (403 if role in MAY else 401)


def test_the_matrix_has_every_route_and_roles_that_differ() -> None:
    assert len(OPERATIONS) >= 11
    assert {path for path, _ in OPERATIONS if not DOCUMENT["paths"][path].get("security", True)} == set()
    assert [path for path, method in OPERATIONS if not allowed(path, method, "none")] != []
    assert [(p, m) for p, m in OPERATIONS if allowed(p, m, "admin") and not allowed(p, m, "read")] == [
        ("/v1/studies/{study}", "delete"),
        ("/v1/studies/{study}/original", "get"),
    ]


def test_no_route_is_left_out_of_the_description(session: Session) -> None:
    app = create_api(session, GUARDED, LoginSessions())
    known = {route.path for route in app.routes if hasattr(route, "path")}
    assert known <= {*DOCUMENT["paths"], *OPEN, "/openapi.json"}


@pytest.mark.slow
@each(
    "path", ["/", "/anything", "/openapi.json", "/gradio_api/info", "/viewer/viewer.js", "/file=/etc/passwd", "/v1/x"]
)
def test_what_is_not_in_the_description_is_behind_the_token_too(path: str, session: Session) -> None:
    page = FastAPI()

    @page.get("/{rest:path}")
    def everything(rest: str) -> str:
        return "secret"

    with listening(create_app(session, GUARDED, page)) as base:
        assert httpx.get(base + path, timeout=60).status_code == 401
        sent_on = httpx.get(base + path, headers={"Accept": "text/html"}, timeout=60)
        assert (sent_on.status_code, sent_on.headers["location"]) == (303, "/login")
        assert httpx.get(base + path, headers=bearer(READ), timeout=60).status_code in (200, 404)


@pytest.fixture
def browser(session: Session) -> Iterator[httpx.Client]:
    """A browser at a server of its own: wrong tokens of other tests are counted by address."""
    with listening(create_app(session, GUARDED)) as base, httpx.Client(base_url=base, timeout=60) as client:
        yield client


@pytest.mark.parametrize(("token", "status"), [(READ, 403), (ADMIN, 404)])
def test_a_browser_logs_in_once_and_has_its_tokens_role(token: str, status: int, browser: httpx.Client) -> None:
    assert browser.get("/v1/studies").status_code == 401
    answer = browser.post("/login", data={"token": token})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in (COOKIE, "HttpOnly", "SameSite=strict", "Path=/"))
    assert token not in cookie
    assert browser.get("/v1/studies").status_code == 200
    assert browser.delete("/v1/studies/2.25.1").status_code == status
    assert browser.post("/logout").status_code == 303
    assert browser.get("/v1/studies").status_code == 401


def test_an_ended_session_stays_ended(browser: httpx.Client) -> None:
    browser.post("/login", data={"token": READ})
    kept = dict(browser.cookies)
    browser.post("/logout")
    browser.cookies.update(kept)
    assert browser.get("/v1/studies").status_code == 401


def test_a_session_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = LoginSessions()
    name = sessions.start("admin")
    assert sessions.role(name) == "admin"
    monkeypatch.setattr("radseek.server.auth.time.monotonic", lambda: 1e12)
    assert sessions.role(name) is None


def test_wrong_tokens_are_slowed_down(session: Session) -> None:
    with listening(create_app(session, GUARDED)) as base:
        answers = [httpx.post(f"{base}/login", data={"token": f"guess-{n}"}, timeout=60) for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
        assert httpx.post(f"{base}/login", data={"token": READ}, timeout=60).status_code == 429


def test_the_form_reflects_nothing(guarded_server: str) -> None:
    answer = httpx.post(f"{guarded_server}/login", data={"token": "<script>alert(1)</script>"}, timeout=60)
    assert "<script>" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@each("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "a@127.0.0.1", "x y"])
def test_a_name_that_is_not_ours_is_refused(host: str, server: str) -> None:
    answer = httpx.get(f"{server}/v1/studies", headers={"Host": host}, timeout=60)
    assert answer.status_code in (400, 421)
    assert "2.25." not in answer.text


@each("host", ["localhost", "localhost:7861", "127.0.0.1:1", "[::1]:7861", "192.168.1.4"])
def test_addresses_and_localhost_are_ours(host: str, server: str) -> None:
    assert httpx.get(f"{server}/v1/studies", headers={"Host": host}, timeout=60).status_code == 200


def test_a_name_can_be_allowed(session: Session) -> None:
    with listening(create_app(session, Settings(names=("pacs.example",)))) as base:
        assert httpx.get(f"{base}/healthz", headers={"Host": "PACS.example"}, timeout=60).status_code == 200


@each(
    ("headers", "answered"),
    [
        ({}, True),
        ({"Origin": "{base}"}, True),
        ({"Origin": "{base}", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{base}"}, False),
    ],
)
def test_changes_are_not_taken_from_another_sites_page(
    headers: dict[str, str],
    answered: bool,
    server: str,
) -> None:
    sent = {name: value.format(base=server) for name, value in headers.items()}
    status = httpx.post(f"{server}/v1/search", json={"text": "nodule"}, headers=sent, timeout=60).status_code
    assert status == (200 if answered else 403)
    assert httpx.get(f"{server}/v1/studies", headers=sent, timeout=60).status_code == 200, "reading is not changing"


def test_another_site_may_not_read_answers(server: str) -> None:
    answer = httpx.get(f"{server}/v1/studies", headers={"Origin": "http://evil.example"}, timeout=60)
    assert "access-control-allow-origin" not in answer.headers
    preflight = httpx.options(f"{server}/v1/screen", headers={"Origin": "http://evil.example"})
    assert preflight.status_code == 405


@each("host", ["0.0.0.0", "::", "192.168.1.4", "example.invalid", ""])
def test_beyond_loopback_a_token_is_needed(host: str) -> None:
    with pytest.raises(UsageError, match="there is no token"):
        read_settings(host, environment={})
    assert read_settings(host, environment={"RADSEEK_TOKEN": READ}).guarded


def test_loopback_needs_none() -> None:
    assert not read_settings(environment={}).guarded
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")


@each("token", ["", "short", "a" * 40, "abcabcabcabcabcabc", "ключ-ключ-ключ-ключ"])
def test_weak_tokens_are_refused(token: str) -> None:
    with pytest.raises(UsageError, match="too easy to guess"):
        read_settings(environment={"RADSEEK_TOKEN": token})


def test_tokens_come_from_files_that_others_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{READ}\n")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="open to other users"):
        read_settings(token_file=path, environment={})
    path.chmod(0o600)
    assert read_settings(token_file=path, environment={}).token == READ
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(token_file=tmp_path / "none", environment={})


def test_one_token_cannot_be_both() -> None:
    with pytest.raises(UsageError, match="the same"):
        read_settings(environment={"RADSEEK_TOKEN": READ, "RADSEEK_ADMIN_TOKEN": READ})


def test_tokens_are_not_shown() -> None:
    assert READ not in repr(GUARDED)


def test_the_command_refuses_to_listen_openly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--host", "0.0.0.0"]) == 2
    assert "there is no token" in capsys.readouterr().err


def test_the_command_says_that_a_port_is_taken(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = server.rpartition(":")[2]
    assert run(["serve", "--model", "random", "--no-page", "--port", port]) == 2
    assert "choose another with --port" in capsys.readouterr().err


SOCKET_GUARD = """
import socket, sys, threading, time, urllib.request
real = socket.socket.connect
far = []
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        far.append(address); raise OSError("off loopback")
    return real(self, address)
socket.socket.connect = connect
names = socket.getaddrinfo
def lookup(host, *rest, **more):
    if host not in (None, "127.0.0.1", "::1", "localhost", b"127.0.0.1"):
        far.append(host); raise OSError("looked up")
    return names(host, *rest, **more)
socket.getaddrinfo = lookup
def ask():
    for _ in range(2500):
        time.sleep(0.1)
        try:
            for path in PATHS:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=200).read()
        except OSError as error:
            if "refused" in str(error): continue
            print("FAILED", error)
        break
    print("FAR", far, "GRADIO", "gradio" in sys.modules, flush=True)
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=ask, daemon=True).start()
from radseek.cli.main import run
code = run(ARGUMENTS)
print("ENDED", code, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("page", [False, True])
def test_the_process_connects_to_nothing_off_loopback_and_ends_when_told(
    page: bool,
    archive: Archive,
    own_key: None,
    tmp_path: Path,
) -> None:
    if page:
        pytest.importorskip("gradio")
    port = free_port()
    arguments = ["serve", "--index", str(archive.index), "--port", str(port), *([] if page else ["--no-page"])]
    paths = ["/readyz", "/v1/studies", *(["/", "/gradio_api/info", "/viewer/viewer.js"] if page else [])]
    script = f"PATHS, PORT, ARGUMENTS = {paths!r}, {port}, {arguments!r}\n{SOCKET_GUARD}"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, cwd=ROOT, env=environment)
    assert f"FAR [] GRADIO {page}" in done.stdout, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert "ENDED 0" in done.stdout, "told to end, it ends in order"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "radseek-uploads" in str(path)]
    assert f"listening at http://127.0.0.1:{port}/" in done.stderr


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: Any = one.getsockname()[1]
        return int(port)
