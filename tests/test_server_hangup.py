"""Whoever sends an upload and hangs up gets nothing done, at whichever step; whoever stays is served."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from radseek.app.session import Session
from radseek.retrieval.engine import Engine
from radseek.server import upload_route
from tests.build_support import write_ct

pytest_plugins = ["tests.server_support"]
pytestmark = [pytest.mark.usefixtures("own_key"), pytest.mark.slow]
LIMIT = 120  # seconds until a wait has failed; what is waited for takes less than one


class Gate:
    """Holds a step of the server's after it is done, until the sender has hung up."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step, self.reached, self.open = step, Event(), Event()

    def __call__(self, *args: Any, **named: Any) -> Any:
        result = self.step(*args, **named)
        self.reached.set()
        assert self.open.wait(LIMIT)
        return result


def upload_of(folder: Path) -> bytes:
    """The request of an upload of all files of a folder, whole."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="%d.dcm"\r\n\r\n' % number + file.read_bytes()
        for number, file in enumerate(sorted(folder.rglob("*.dcm")))
    ]
    body = b"\r\n".join(parts) + b"\r\n--x--\r\n"
    head = b"POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("step", ["reading", "encoding"])
def test_no_study_is_held_for_one_who_hung_up_as_the_step_ended(
    step: str, server: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (78, 79):
        write_ct(tmp_path / str(seed), seed)
    outcome: list[object] = []
    ended = Event()
    real = upload_route._receive

    def watched(*args: Any) -> Any:
        try:
            outcome.append(real(*args))
        except BaseException as error:
            outcome.append(error)
            raise
        finally:
            ended.set()
        return outcome[0]

    monkeypatch.setattr(upload_route, "_receive", watched)
    gate = Gate(upload_route.receive if step == "reading" else session._engine.vectors)
    if step == "reading":
        monkeypatch.setattr(upload_route, "receive", gate)
    else:
        monkeypatch.setattr(Engine, "vectors", lambda engine, study: gate(study))
    before = set(session._uploaded)
    host, _, port = server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=LIMIT) as plain:
        plain.sendall(upload_of(tmp_path))
        assert gate.reached.wait(LIMIT)
    gate.open.set()
    assert ended.wait(LIMIT)
    assert isinstance(outcome[0], CancelledError), outcome
    assert set(session._uploaded) == before


def test_one_who_stays_is_served_whatever_the_step_takes(server: str, session: Session, tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", 80)
    files = [("files", (file.name, file.read_bytes())) for file in sorted((tmp_path / "ct").iterdir())]
    answer = httpx.post(f"{server}/v1/uploads", files=files, timeout=LIMIT)
    assert answer.status_code == 201, answer.text
    (study,) = answer.json()["studies"]
    assert session.is_uploaded(study["study"])
    assert session.drop(study["study"])
