"""Who is slow, idle or guesses does not keep others from the server: real sockets before a server that listens."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from radseek.app.session import Session
from radseek.cli.serve_commands import _listener
from radseek.server import connections, limits
from radseek.server.headers import Marked
from radseek.server.server_app import create_app
from radseek.server.settings import Settings
from tests.server_support import ADMIN, GUARDED, READ, Archive, bearer, listening, questions

pytest_plugins = ["tests.server_support"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_key")]
TOKEN = f"Authorization: Bearer {READ}\r\n"
UPLOAD = "POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"


@pytest.fixture
def guarded(session: Session) -> Iterator[str]:
    """A server of its own: what it remembers of addresses is one test's."""
    with listening(create_app(session, GUARDED)) as base:
        yield base


@contextlib.contextmanager
def sockets(base: str, count: int, data: str = "") -> Iterator[list[socket.socket]]:
    """Connections that send this much and no more."""
    host, _, port = base.removeprefix("http://").partition(":")
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection((host, int(port)), timeout=60)))
            if data:
                opened[-1].sendall(data.encode())
        yield opened


@contextlib.contextmanager
def trickling(base: str, count: int, head: str) -> Iterator[list[socket.socket]]:
    """Connections that go on with a byte at a time, as long as the block lasts."""
    over = threading.Event()

    def trickle(opened: list[socket.socket]) -> None:
        while not over.wait(0.05):
            for one in opened:
                with contextlib.suppress(OSError):
                    one.send(b"-")

    with sockets(base, count, head) as opened:
        thread = threading.Thread(target=trickle, args=(opened,))
        thread.start()
        try:
            yield opened
        finally:
            over.set()
            thread.join()


def first_line(one: socket.socket) -> bytes:
    try:
        return one.recv(65536).split(b"\r\n")[0]
    except ConnectionError:
        return b""


def files_of(archive: Archive) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (file.name, file.read_bytes())) for file in sorted(archive.extra.iterdir())]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "GET /v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Part: ",
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 500\r\n\r\ntoken=",
        "POST /v1/screen HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{",
        f"{UPLOAD}Content-Length: 1000000\r\n\r\n--x\r\n",
    ],
)
def test_320_connections_of_nobody_shut_out_no_one_with_a_token(guarded: str, data: str) -> None:
    with sockets(guarded, connections.MOST_CONNECTIONS + 20, data):
        for _ in range(3):
            answer = httpx.get(f"{guarded}/v1/studies", headers=bearer(READ), timeout=60)
            assert answer.status_code == 200


def test_a_connection_under_way_is_not_sent_away_for_idle_ones(guarded: str, session: Session) -> None:
    answers = []

    def ask() -> None:
        body = questions(key)["/v1/screen"]
        answers.append(httpx.post(f"{guarded}/v1/screen", json=body, headers=bearer(READ), timeout=60))

    key = session.cases(limit=1)[0].key
    with session.engine():  # nobody is answered
        asking = threading.Thread(target=ask)
        with contextlib.ExitStack() as stack:
            asking.start()
            time.sleep(0.5)
            stack.enter_context(sockets(guarded, connections.MOST_CONNECTIONS + 20))
    asking.join(60)
    assert [one.status_code for one in answers] == [200]


@pytest.mark.parametrize("data", ["", "GET / HTTP/1.1\r\nX-Part: ", "GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET"])
def test_headers_that_do_not_come_end_the_connection(guarded: str, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    monkeypatch.setattr(connections, "_HEADERS", 0.5)
    with trickling(guarded, 1, data) if data else sockets(guarded, 1) as (one,):
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while one.recv(65536):
                pass
        assert time.monotonic() - began < 30  # and not for ever


def test_a_connection_kept_between_requests_goes_on(guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEADERS", 0.3)
    with httpx.Client(base_url=guarded, headers=bearer(READ), timeout=60) as client:
        for _ in range(3):
            assert client.get("/v1/studies").status_code == 200
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("still", [True, False])
def test_slow_senders_do_not_hold_all_places_for_uploads(guarded: str, archive: Archive, still: bool) -> None:
    head = f"{UPLOAD}{TOKEN}Content-Length: 1000000\r\n\r\n--x\r\n"
    with sockets(guarded, 16, head) if still else trickling(guarded, 16, head) as slow:
        time.sleep(0.5)
        answer = httpx.post(f"{guarded}/v1/uploads", files=files_of(archive), headers=bearer(READ), timeout=120)
        assert answer.status_code == 201, answer.text
        one = next(one for one in slow if is_answered(one))
        assert first_line(one).startswith(b"HTTP/1.1 408")
        assert sum(map(is_answered, slow)) == 0  # nobody else had to go
    key = answer.json()["studies"][0]["study"]
    assert httpx.delete(f"{guarded}/v1/studies/{key}", headers=bearer(ADMIN), timeout=60).status_code == 200


def is_answered(one: socket.socket) -> bool:
    one.settimeout(0.2)
    try:
        return bool(one.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        one.settimeout(60)


def test_where_all_who_send_are_fast_the_next_is_told_to_come_back(
    guarded: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_SLOW", 0)
    monkeypatch.setattr(limits, "_LONGEST_WAIT", 0.3)
    with sockets(guarded, 16, f"{UPLOAD}{TOKEN}Content-Length: 1000000\r\n\r\n--x\r\n"):
        time.sleep(0.5)
        answer = httpx.post(f"{guarded}/v1/uploads", files=files_of(archive), headers=bearer(READ), timeout=120)
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0


def test_a_question_sent_slowly_takes_nobodys_turn(guarded: str, session: Session) -> None:
    head = f"POST /v1/screen HTTP/1.1\r\nHost: 127.0.0.1\r\n{TOKEN}Content-Length: 500\r\n\r\n{{"
    body = questions(session.cases(limit=1)[0].key)["/v1/screen"]
    with trickling(guarded, 80, head):
        time.sleep(0.5)
        answer = httpx.post(f"{guarded}/v1/screen", json=body, headers=bearer(READ), timeout=60)
        assert answer.status_code == 200


def test_who_does_not_read_an_answer_holds_no_turn() -> None:
    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100 if scope["path"] == "/v1/long" else 1):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    limited = limits.WaitingLimit(long, most=8, at_once=2, timeout=60, idle=0.5, prefix=("/v1/",))
    with listening(Marked(limited)) as base, sockets(base, 4, "GET /v1/long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        answer = httpx.get(f"{base}/v1/short", timeout=30)
        assert (answer.status_code, len(answer.content)) == (200, 1 << 20)


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/screen", "/login"])
def test_a_body_that_trickles_is_given_up(session: Session, path: str) -> None:
    settings = Settings(token=READ, admin_token=ADMIN, idle=0.5, pace=10_000)
    head = UPLOAD.replace("/v1/uploads", path) + f"{TOKEN}Content-Length: 1000000\r\n\r\n--x\r\n"
    with listening(create_app(session, settings)) as base, trickling(base, 1, head) as (one,):
        assert first_line(one).startswith(b"HTTP/1.1 408")


def test_a_body_that_comes_fast_may_take_longer_than_a_pause(session: Session) -> None:
    settings = Settings(idle=0.5, pace=1_000)
    with listening(create_app(session, settings)) as base:
        body = b'{"text": "nodule"' + b" " * 2_000

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(body), 300):
                yield body[start : start + 300]
                time.sleep(0.15)
            yield b"}"

        head = {"Content-Type": "application/json"}
        assert httpx.post(f"{base}/v1/search", content=pieces(), headers=head, timeout=60).status_code == 200


def test_wrong_bearer_tokens_wait_as_wrong_logins_do(guarded: str) -> None:
    ask = f"{guarded}/v1/studies"
    answers = [httpx.get(ask, headers=bearer(f"guess-{number}-0123456789"), timeout=60) for number in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["reason_code"] == "rate"
    assert httpx.get(ask, headers=bearer(READ), timeout=60).status_code == 429  # else a guess would be told right
    assert httpx.post(f"{guarded}/login", data={"token": READ}, timeout=60).status_code == 429
    assert httpx.get(ask, timeout=60).status_code == 401  # no token is no guess
    assert httpx.get(f"{guarded}/healthz", headers=bearer("guess-x"), timeout=60).status_code == 200


def test_who_showed_the_token_before_does_not_wait_for_a_neighbours_guesses(guarded: str) -> None:
    ask = f"{guarded}/v1/studies"
    assert httpx.get(ask, headers=bearer(READ), timeout=60).status_code == 200
    for number in range(12):
        httpx.get(ask, headers=bearer(f"guess-{number}-0123456789"), timeout=60)
    assert httpx.get(ask, headers=bearer(READ), timeout=60).status_code == 200
    assert httpx.get(ask, headers=bearer(ADMIN), timeout=60).status_code == 429  # which was never shown from here


def test_sessions_go_on_while_wrong_tokens_wait(guarded: str) -> None:
    with httpx.Client(base_url=guarded, timeout=60) as browser:
        assert browser.post("/login", data={"token": READ}).status_code == 303
        for number in range(12):
            httpx.get(f"{guarded}/v1/studies", headers=bearer(f"guess-{number}-0123456789"), timeout=60)
        assert browser.get("/v1/studies").status_code == 200


def test_what_is_answered_is_sent_without_delay() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listener("127.0.0.1", 0))
        stack.enter_context(socket.create_connection(listener.getsockname()))
        accepted = stack.enter_context(listener.accept()[0])
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
