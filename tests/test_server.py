"""The API: the engine's answers as JSON, errors as problems, uploads, forgetting, streaming."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from radseek.app.session import Session
from radseek.app.uploads import UploadLimits
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import NarratorError, StorageError
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.server.auth import LoginSessions
from radseek.server.server_app import create_api, create_app
from radseek.server.settings import Settings
from radseek.server.streaming import explanation_events
from radseek.server.study_listing import without_paths
from tests.build_support import write_ct, write_nifti
from tests.each_support import each
from tests.evidence_support import full
from tests.hostile_zips import HOSTILE, write_hostile
from tests.server_support import PAYLOADS, Archive, listening, questions

pytest_plugins = ["tests.server_support"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_key")]
DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=120) as one:
        yield one


@pytest.fixture
def key(session: Session) -> str:
    return session.cases()[0].key


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def files_in(folder: Path) -> list[Path]:
    # os.walk does not mind a folder that goes while it looks, as rglob does
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["detail"]
    assert body["notice"] == NOTICE
    return bool(body["reason_code"] == code)


@each("path", sorted(questions("")))
def test_answers_are_the_engines_documents_without_paths(
    path: str,
    client: httpx.Client,
    session: Session,
    key: str,
) -> None:
    body = questions(key)[path]
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    asked = {name: value for name, value in body.items() if name not in ("study", "finding")}
    with session.engine() as engine:
        name = path.removeprefix("/v1/")
        about = () if name == "search" else (key,)
        more = {"findings": body["finding"]} if "finding" in body else {}
        expected = getattr(engine, name)(*about, **asked, **more).to_dict()
    assert answer.json() == without_paths(expected)
    assert answer.json()["notice"] == NOTICE


def test_without_findings_the_set_that_fits_is_asked(client: httpx.Client, key: str) -> None:
    document = client.post("/v1/screen", json={"study": key}).json()
    assert document["findings_version"].startswith("chest_ct@")


def test_studies_are_listed_and_described_without_path_stamp_or_uid(client: httpx.Client, key: str) -> None:
    page = client.get("/v1/studies", params={"offset": 1, "limit": 2}).json()
    assert (page["total"], page["offset"], len(page["studies"])) == (4, 1, 2)
    one = client.get(f"/v1/studies/{key}").json()
    assert one["findings"] == "chest_ct"
    assert "nodule" in one["report"]
    text = json.dumps([page, one])
    assert "stamp" not in text
    assert "1.2.826" not in text
    assert ".dcm" not in text
    assert one["study"]["series"][0]["shape"] == [6, 40, 48]


@pytest.mark.slow
def test_a_study_is_uploaded_asked_about_and_dropped(
    client: httpx.Client,
    archive: Archive,
    tmp_path: Path,
    temporary: Path,
) -> None:
    sent = tmp_path / "study.zip"
    with zipfile.ZipFile(sent, "w") as packed:
        for file in archive.extra.iterdir():
            packed.write(file, f"a/{file.name}")
    (tmp_path / "notes.txt").write_text("no image")
    files = [("files", ("study.zip", sent.read_bytes())), ("files", ("../../notes.txt", b"no image"))]
    answer = client.post("/v1/uploads", files=files)
    assert answer.status_code == 201, answer.text
    (study,) = answer.json()["studies"]
    assert study["brought"]
    assert [(line["path"], line["reason_code"]) for line in answer.json()["skipped"]] == [("notes.txt", "not_an_image")]
    assert not files_in(temporary)
    for path, body in questions(study["study"]).items():
        assert client.post(path, json=body).status_code == 200
    assert client.get(f"/v1/studies/{study['study']}").json()["study"] == study
    assert client.delete(f"/v1/studies/{study['study']}").json()["stored"] is False
    assert is_problem(client.get(f"/v1/studies/{study['study']}"), 404, "unknown_name")


@pytest.mark.slow
def test_nifti_needs_its_modality_said_and_may_be_told_its_body_part(client: httpx.Client, tmp_path: Path) -> None:
    write_nifti(tmp_path / "head.nii.gz", 1)
    sent = {"files": ("head.nii.gz", (tmp_path / "head.nii.gz").read_bytes())}
    answer = client.post("/v1/uploads", files=sent, data={"modality": "CT"})
    assert answer.json()["studies"][0]["series"][0]["modality"] == "CT"
    answer = client.post("/v1/uploads", files=sent, data={"modality": "CT", "body_part": "Schädel"})
    (head,) = answer.json()["studies"]
    assert head["series"][0]["body_part"] == "head"
    other = client.post("/v1/uploads", files=sent, data={"modality": "CT", "body_part": "chest"}).json()["studies"][0]
    assert other["study"] != head["study"]  # neither takes the other's place
    assert client.get(f"/v1/studies/{head['study']}").json()["study"] == head
    for wrong in ({"modality": "XX"}, {"body_part": "elsewhere"}):
        assert is_problem(client.post("/v1/uploads", files=sent, data=wrong), 404, "unknown_name")


def test_a_forgotten_study_is_gone_from_the_index(archive: Archive, tmp_path: Path) -> None:
    copy = tmp_path / "copy.index"
    shutil.copytree(archive.index, copy)
    with Session.open(copy) as own:
        keys = [case.key for case in own.cases()]
        with listening(create_app(own)) as base:
            assert httpx.delete(f"{base}/v1/studies/{keys[0]}", timeout=60).json()["stored"] is True
            assert is_problem(httpx.delete(f"{base}/v1/studies/{keys[0]}", timeout=60), 404, "unknown_name")
            assert httpx.get(f"{base}/v1/studies", timeout=60).json()["total"] == 3
            found = httpx.post(f"{base}/v1/search", json={"text": "nodule", "k": 100}, timeout=60).json()
            assert keys[0] not in json.dumps(found)


def test_an_explanation_comes_sentence_by_sentence(client: httpx.Client, key: str) -> None:
    body = {**questions(key)["/v1/explain"], "stream": True, "lang": "zh"}
    with client.stream("POST", "/v1/explain", json=body) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        events = [json.loads(line) for line in answer.iter_lines()]
    whole = client.post("/v1/explain", json={**body, "stream": False}).json()
    assert [event["event"] for event in events] == ["evidence", *["sentence"] * len(whole["summary"]), "end"]
    assert events[0]["evidence"] == whole["evidence"]
    said = [{name: value for name, value in event.items() if name != "event"} for event in events[1:-1]]
    assert said == whole["summary"]
    assert events[-1] == {"event": "end", "sentences": len(said), "replaced": 0, "failure": None}


def test_a_narrator_that_falls_silent_is_said_and_the_template_stands(session: Session) -> None:
    class Silent:
        name = "local"

        def rephrase(self, _claim: object, _items: object, _lang: object) -> str:
            raise NarratorError("there is no model here")

    with session.engine() as engine:
        result = ExplainResult(engine.encoder.spec, full(), (), "template", 0)
    events = list(explanation_events(result, Silent()))
    assert events[0]["narrator"] == "local"
    assert all(event["narrator"] == "template" for event in events[1:-1])
    assert events[-1]["failure"] == "there is no model here"


@each(
    ("path", "body", "status", "code"),
    [
        ("/v1/screen", {"study": "2.25.1"}, 404, "unknown_name"),
        ("/v1/screen", {"study": "/etc/passwd"}, 422, "usage"),
        ("/v1/screen", {"study": "{key}", "findings": "/etc/passwd"}, 422, "usage"),
        ("/v1/screen", {"study": "{key}", "finding": ["no nodule"]}, 422, "prompt"),
        ("/v1/screen", {"study": "{key}", "findings": "chest_ct", "finding": ["a"]}, 422, "usage"),
        ("/v1/screen", {"study": "{key}", "more": 1}, 422, "usage"),
        ("/v1/classify", {"study": "{key}", "labels": ["a", "a"]}, 422, "usage"),
        ("/v1/similar", {"study": "{key}", "where": ["colour=red"]}, 404, "unknown_name"),
        ("/v1/similar", {"study": "{key}", "where": ["age=x-y"]}, 422, "usage"),
        ("/v1/similar", {"study": "{key}", "where": ["sex=X"]}, 422, "usage"),
        ("/v1/search", {"text": "nodule", "where": ["modality=ultrasound"]}, 422, "usage"),
        ("/v1/similar", {"study": "{key}", "k": 10_000}, 422, "usage"),
        ("/v1/search", {"text": '"a" - '}, 422, "usage"),
        ("/v1/nothing", {}, 404, "unknown_name"),
    ],
)
def test_errors_are_problems_with_the_commands_codes(
    path: str, body: dict[str, Any], status: int, code: str, client: httpx.Client, key: str
) -> None:
    asked = json.loads(json.dumps(body).replace("{key}", key))
    assert is_problem(client.post(path, json=asked), status, code)


@each(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"study": "\\ud800"}',
        b'{"\\ud800": 1, "study": 1}',
        b"[" * 100_000,
        b'{"study": 1' + b"0" * 10_000 + b"}",
        b'{"study": NaN}',
    ],
)
def test_malformed_bodies_are_refused_as_problems(content: bytes, client: httpx.Client) -> None:
    for path in questions(""):
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_method_names_the_right_ones(client: httpx.Client) -> None:
    answer = client.get("/v1/screen")
    assert is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_what_is_unforeseen_says_nothing_of_itself(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        index = None

        def cases(self, offset: int, limit: int) -> None:
            raise ZeroDivisionError("secret words")

    with listening(create_app(Broken())) as base:  # type: ignore[arg-type]
        answer = httpx.get(f"{base}/v1/studies", headers={"X-Request-ID": "mine-1"}, timeout=60)
    assert is_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "mine-1" in caplog.text


@pytest.mark.parametrize("error", [StorageError("/secret/folder has no room left"), OSError(28, "No space left")])
def test_a_full_disk_is_said_without_its_folder(
    error: Exception, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        index = None

        def cases(self, offset: int, limit: int) -> None:
            raise error

    with listening(create_app(Full())) as base:  # type: ignore[arg-type]
        answer = httpx.get(f"{base}/v1/studies")
    assert is_problem(answer, 507, "storage")
    assert "secret" not in answer.text
    assert str(error) in caplog.text


def test_filters_and_misspelt_words_are_answered_with_what_was_meant(client: httpx.Client) -> None:
    found = client.post("/v1/search", json={"text": "pnuemothorax", "where": ["sex=female"]}).json()
    assert found["suggestions"] == [{"words": "pnuemothorax", "meant": "pneumothorax"}]
    assert found["query"] == {"text": "pnuemothorax", "where": ["sex=f"], "within": "both", "sort": "similarity"}
    assert found["studies"]
    empty = client.post("/v1/search", json={"text": "nodule", "where": ["age=90-99"]}).json()
    assert (empty["studies"], empty["sentences"]) == ([], [])
    assert empty["notes"][0].startswith("No study passes age=90-99")
    sorted_ = client.post("/v1/search", json={"text": "nodule", "sort": "year", "facets": ["modality"]}).json()
    assert (sorted_["query"]["sort"], sorted_["facets"][0]["field"]) == ("year", "modality")
    assert client.post("/v1/search", json={"text": "nodule", "sort": "date"}).status_code == 422


def test_every_answer_has_a_request_id_and_security_headers(client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/v1/studies", "/v1/nothing", "/login"):
        headers = client.get(path).headers
        assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert client.get("/healthz", headers={"X-Request-ID": "a-1"}).headers["x-request-id"] == "a-1"
    assert client.get("/healthz", headers={"X-Request-ID": "<b>"}).headers["x-request-id"] != "<b>"


def test_scripts_in_reports_come_back_as_data_only(client: httpx.Client, session: Session) -> None:
    assert len(PAYLOADS) >= 30
    seen = ""
    for case in session.cases():
        answers = [client.get(f"/v1/studies/{case.key}")]
        answers += [client.post(path, json=body) for path, body in questions(case.key).items()]
        for answer in answers:
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "script-src" not in answer.headers["content-security-policy"]
        seen += answers[0].json()["report"]
    assert "<script>alert(1)</script>" in seen, "the reports hold the payloads, or this test shows nothing"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bomb", "overlapping", "parent", "link_absolute"])
def test_hostile_archives_are_refused_over_http(
    name: str, client: httpx.Client, tmp_path: Path, temporary: Path
) -> None:
    assert name in HOSTILE
    path = write_hostile(name, tmp_path / "hostile.zip", tmp_path / "outside" / "evil.dcm")
    answer = client.post("/v1/uploads", files={"files": ("hostile.zip", path.read_bytes())})
    assert answer.status_code in (413, 422)
    assert answer.json()["skipped"][0]["path"].startswith("hostile.zip")
    assert not files_in(temporary)
    assert not (tmp_path / "outside").exists()


def raw(base: str, data: bytes) -> bytes:
    """Send bytes, and no more than these, and return what is answered."""
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as plain:
        plain.sendall(data)
        return plain.recv(65536)


def test_four_gigabytes_announced_are_refused_at_once(server: str, guarded_server: str) -> None:
    """None of them is ever sent: an answer that waited for one would not come."""
    for base in (server, guarded_server):
        for path in ("/v1/uploads", "/v1/screen", "/gradio_api/upload"):
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            answer = raw(base, f"{head}Content-Length: {4 << 30}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 413")
            assert b"application/problem+json" in answer


def test_a_body_without_a_length_is_counted_while_it_comes(
    session: Session,
    temporary: Path,
) -> None:
    settings = Settings(uploads=UploadLimits(stored=3 << 20))
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.dcm"\r\n\r\n'

    def endless() -> Iterator[bytes]:
        yield form
        while True:
            yield b"\0" * 65536

    with listening(create_app(session, settings)) as base:
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        try:
            answer = httpx.post(f"{base}/v1/uploads", content=endless(), headers=head, timeout=60)
            assert is_problem(answer, 413, "too_large")
        except httpx.WriteError:
            pass  # the server closed while we were still sending, as it should
        small = httpx.post(f"{base}/v1/screen", content=iter([b" " * (1 << 20), b" " * 10]), timeout=60)
        assert is_problem(small, 413, "too_large")
    assert not files_in(temporary)


def test_a_sender_that_stops_is_given_up_and_leaves_nothing(session: Session, temporary: Path) -> None:
    with listening(create_app(session, Settings(idle=0.5))) as base:
        head = b"POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        begun = head + b"Content-Length: 1000000\r\n\r\n--x\r\n"
        answer = raw(base, begun)
        assert answer.startswith(b"HTTP/1.1 408")
        raw_and_gone(base, begun)
        assert httpx.get(f"{base}/healthz", timeout=60).status_code == 200
    assert not files_in(temporary)


def raw_and_gone(base: str, data: bytes) -> None:
    host, _, port = base.removeprefix("http://").partition(":")
    plain = socket.create_connection((host, int(port)), timeout=120)
    plain.sendall(data)
    plain.close()


def test_whoever_hangs_up_stops_the_reading(
    server: str,
    tmp_path: Path,
    temporary: Path,
    session: Session,
) -> None:
    """The body is whole, the worker starts, and the sender is gone: nothing is brought, and nothing stays."""
    write_ct(tmp_path / "ct", 77)
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="%d.dcm"\r\n\r\n' % number
        + file.read_bytes()
        + b"\r\n"
        for number, file in enumerate(sorted((tmp_path / "ct").iterdir()))
    )
    body = parts + b"--x--\r\n"
    head = b"POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    before = set(session._uploaded)
    host, _, port = server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as plain:
        plain.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert until(lambda: any(path.suffix == ".dcm" for path in files_in(temporary)))
    assert until(lambda: not files_in(temporary))
    assert set(session._uploaded) == before


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something holds; say whether it came to that."""
    ends = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends:
        time.sleep(0.02)
    return holds()


def test_words_asked_all_day_are_not_all_remembered(
    client: httpx.Client,
    key: str,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("radseek.retrieval.scoring.text_vectors.MOST_KEPT", 5)
    for number in range(8):
        client.post("/v1/search", json={"text": f"shadow {number}", "k": 1})
        assert client.post("/v1/screen", json={"study": key, "finding": [f"shadow {number}"]}).status_code == 200
    with session.engine() as engine:
        text_vectors = engine._texts
        assert max(len(text_vectors._texts), len(text_vectors._pairs), len(text_vectors._tests)) <= 5


def test_past_the_limit_the_answer_is_busy_at_once(session: Session, key: str) -> None:
    with listening(create_app(session, Settings(most_waiting=0, timeout=3600))) as base:
        answer = httpx.post(f"{base}/v1/screen", json={"study": key}, timeout=60)
        assert is_problem(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{base}/healthz", timeout=60).status_code == 200


def test_a_question_that_waits_too_long_is_told_to_come_back(session: Session, key: str) -> None:
    with listening(create_app(session, Settings(timeout=0.2))) as base, session.engine():
        answer = httpx.post(f"{base}/v1/screen", json={"study": key}, timeout=120)
        assert is_problem(answer, 503, "busy")
        assert answer.headers["retry-after"]


def test_ready_says_when_the_index_is_gone(archive: Archive, tmp_path: Path) -> None:
    copy = tmp_path / "copy.index"
    shutil.copytree(archive.index, copy)
    with Session.open(copy) as own, listening(create_app(own)) as base:
        assert httpx.get(f"{base}/readyz", timeout=60).json() == {"status": "ready"}
        shutil.rmtree(copy)
        assert is_problem(httpx.get(f"{base}/readyz", timeout=60), 503, "busy")


def test_the_description_is_the_one_kept_in_docs(session: Session) -> None:
    """Write it anew with: python -m tests.test_server."""
    kept = json.loads((DOCS / "openapi.json").read_text("utf-8"))
    assert create_api(session, Settings(), LoginSessions()).openapi() == kept
    assert kept["openapi"].startswith("3.1")


if __name__ == "__main__":
    document = create_api(None, Settings(), LoginSessions()).openapi()  # type: ignore[arg-type]
    (DOCS / "openapi.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"{len(document['paths'])} paths\n")
