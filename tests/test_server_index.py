"""An index that changes under a server: it is opened again, or the server cannot answer and says so, never where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from radseek.app import session
from radseek.app.session import Session
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import (
    EncoderError,
    IndexBusyError,
    IndexDamagedError,
    IndexFolderError,
    InputError,
    NarratorError,
    RadseekError,
    Reason,
    StorageError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.server.problems import problem_of
from radseek.server.server_app import create_app
from radseek.server.study_listing import without_paths
from tests.each_support import each
from tests.server_support import Archive, listening, questions

pytest_plugins = ["tests.server_support"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_key")]


class Served:
    """A copy of the archive, a desk on it and a server of that."""

    def __init__(self, index: Path, session: Session, base: str) -> None:
        self.index, self.session, self.base = index, session, base
        self.key = session.cases()[-1].key

    def ask(self) -> dict[str, httpx.Response]:
        """Ask everything there is to ask; no answer says where the index is."""
        posts = {
            path: httpx.post(f"{self.base}{path}", json=body, timeout=60) for path, body in questions(self.key).items()
        }
        gets = {
            path: httpx.get(f"{self.base}{path}", timeout=60)
            for path in ("/v1/studies", f"/v1/studies/{self.key}", "/readyz")
        }
        for answer in (*posts.values(), *gets.values()):
            assert str(self.index) not in answer.text
            assert str(self.index.parent) not in answer.text
            assert "Traceback" not in answer.text
        return posts | gets

    def statuses(self) -> set[int]:
        return {answer.status_code for answer in self.ask().values()}


@pytest.fixture
def served(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(session, "_BETWEEN_TRIES", 0.0)
    copy = tmp_path / "a patient's name" / "copy.index"
    copied(archive.index, copy)
    with Session.open(copy) as own, listening(create_app(own)) as base:
        yield Served(copy, own, base)


def copied(index: Path, to: Path) -> None:
    """Copy an index and its linkage."""
    shutil.copytree(index, to)
    shutil.copy(linkage_path(index), linkage_path(to))


def remove(index: Path, *, compact: bool = True) -> str:
    """Take the first study out of an index, as another process does; return its key."""
    with LocalStore.open(index, read_only=False) as store:
        key = store.cases(limit=1)[0].key
        store.remove([key])
        if compact:
            store.compact()
    return key


@pytest.mark.parametrize("compact", [True, False])
def test_what_was_forgotten_elsewhere_is_gone_here_and_the_rest_is_answered(served: Served, compact: bool) -> None:
    assert served.statuses() == {200}
    for left in (3, 2):
        gone = remove(served.index, compact=compact)
        assert served.statuses() == {200}
        answers = served.ask()
        assert answers["/v1/studies"].json()["total"] == left
        assert gone not in "".join(answer.text for answer in answers.values())
        answer = httpx.get(f"{served.base}/v1/studies/{gone}", timeout=60)
        assert (answer.status_code, answer.json()["reason_code"]) == (404, "unknown_name")
    assert served.session.editions == 2  # opened again once for each, and not for each question


def test_what_is_only_added_elsewhere_is_no_reason_to_open_again(served: Served) -> None:
    with LocalStore.open(served.index, read_only=False) as store:
        generation = store.generation
        with store._catalog.transaction() as transaction:  # a commit of another process
            transaction.execute("UPDATE meta SET value = ? WHERE name = 'generation'", (str(generation + 1),))
    assert served.statuses() == {200}
    assert served.session.editions == 0


def taken_away(index: Path) -> None:
    shutil.move(index, index.with_name("elsewhere"))


def without_manifest(index: Path) -> None:
    (index / "manifest.json").unlink()


def no_catalogue(index: Path) -> None:
    (index / "catalog.sqlite").unlink()


def another_file(index: Path) -> None:
    (index / "catalog.sqlite").unlink()
    (index / "catalog.sqlite").write_bytes(b"not a database, and long enough to be taken for one. " * 100)


@pytest.mark.parametrize("harm", [taken_away, without_manifest, no_catalogue, another_file])
def test_what_cannot_be_opened_again_is_503_everywhere_and_not_ready_until_it_is_back(
    served: Served, archive: Archive, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert served.statuses() == {200}
    harm(served.index)
    for _ in range(2):
        for path, answer in served.ask().items():
            body = answer.json()
            code = "busy" if path == "/readyz" else "index_folder"
            assert (answer.status_code, body["status"], body["reason_code"]) == (503, 503, code)
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert body["notice"] == NOTICE
    assert str(served.index) in caplog.text  # where it is, is in the log
    shutil.rmtree(served.index, ignore_errors=True)
    copied(archive.index, served.index)
    assert served.statuses() == {200}


def test_another_index_in_its_place_is_the_one_that_answers(served: Served, archive: Archive) -> None:
    assert served.statuses() == {200}
    served.index.rename(served.index.with_name("old"))
    copied(archive.index, served.index)
    gone = remove(served.index)
    assert served.statuses() == {200}
    assert gone not in httpx.get(f"{served.base}/v1/studies", timeout=60).text


def test_a_writer_elsewhere_is_said_without_its_folder(served: Served) -> None:
    with LocalStore.open(served.index, read_only=False):
        answer = httpx.delete(f"{served.base}/v1/studies/{served.key}", timeout=60)
        assert (answer.status_code, answer.json()["reason_code"]) == (503, "index_busy")
        assert str(served.index.parent) not in answer.text
        assert served.statuses() == {200}


def test_a_question_that_finds_the_index_lacking_opens_it_once_and_then_the_server_is_not_ready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise IndexDamagedError(f"{served.index}/segments/1/views.npy is not what was written")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "search_slices", lacking)
        body = questions("")["/v1/search"]
        for _ in range(4):
            answer = httpx.post(f"{served.base}/v1/search", json=body, timeout=60)
            assert (answer.status_code, answer.json()["reason_code"]) == (503, "index_damaged")
            assert "segments" not in answer.text
        ready = httpx.get(f"{served.base}/readyz", timeout=60)
        assert ready.status_code == 503
        assert "segments" not in ready.text
        assert httpx.get(f"{served.base}/v1/studies", timeout=60).status_code == 200  # what can be read is answered
    assert served.session.editions == 1


WHERE = "/data/Jane Doe/a.index"


@each(
    "error",
    [
        IndexFolderError(f"{WHERE} was compacted since it was opened at generation 3; open it again."),
        IndexBusyError(f"Another process is writing {WHERE}; wait until it is done."),
        IndexDamagedError(f"{WHERE}/catalog.sqlite is damaged (malformed); restore it from a copy."),
        StorageError(f"{WHERE} has no room left"),
        UnknownNameError(f"{WHERE} has no study 2.25.1; `radseek screen` lists what it has."),
        UsageError(f"{WHERE} is not an index (it has no manifest.json); run `radseek build X --index {WHERE}`."),
        UsageError("/data/Jane Doe/a.verdicts.jsonl cannot be written (Read-only file system)."),
        EncoderError("The built-in encoder's weights are not here (/opt/venv/lib/builtin)."),
        NarratorError("There is no model at /home/jane/model.gguf; name a GGUF file."),
        NarratorError("There is no model at ~/models/model.gguf, nor at C:\\models\\model.gguf."),
        InputError(Reason.NO_PIXELS, f"{WHERE}/x.dcm: no", lines=(("/tmp/1.dcm", Reason.NO_PIXELS, "/tmp/1.dcm: no"),)),
    ],
)
def test_no_error_says_where_anything_lies(error: RadseekError) -> None:
    told = bytes(problem_of(error, Path(WHERE)).body).decode()
    for part in ("Jane", "/data", "/tmp", "/opt", "/home", "models", "a.index"):
        assert part not in told
    document = json.loads(told)
    assert {"type", "title", "status", "detail", "reason_code", "notice"} <= set(document)


@each(
    "text",
    [
        "Labels exclude each other, and/or are empty; give 1/2 of them.",
        "No study passes age=90-99; the index has 12/2024.",
        "T1/T2 images, https://example.org/a/b, series/1.dcm",
    ],
)
def test_words_that_are_no_paths_stay(text: str) -> None:
    assert json.loads(bytes(problem_of(UsageError(text)).body))["detail"] == text


def test_an_encoder_from_a_folder_and_a_silent_narrator_are_named_without_their_folders() -> None:
    document = {
        "encoder": {"name": "/home/jane/models/own", "dim": 8},
        "evidence": {
            "items": [{"kind": "caveat", "text": {"en": "no model at /home/jane/x.gguf", "zh": "无"}}],
            "path": "/a/b",
        },
        "summary": [{"text": "T2 /FLAIR is bright", "failures": ["no model at /home/jane/x.gguf"]}],
        "failure": "no model at /home/jane/x.gguf",
    }
    told = without_paths(document)
    assert "jane" not in json.dumps(told)
    assert told["encoder"] == {"name": "own", "dim": 8}
    assert told["summary"][0]["text"] == "T2 /FLAIR is bright"
    assert without_paths({"encoder": {"name": "hf-hub:a/b"}}) == {"encoder": {"name": "hf-hub:a/b"}}
