"""The narrator `openai` against a real server on loopback: what it sends, and every way a server can fail it."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.each_support import each

pytest.importorskip("openai", reason="the extra 'openai' is not installed")

from radseek.retrieval.errors import NarratorError, UsageError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.narrators.bounded_http import MAX_BYTES
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.narrators.prompting import MAX_TOKENS
from radseek.retrieval.explain.narrators.remote import RemoteNarrator, is_loopback
from tests.llm_server_support import Chat, completion, dead_url, says, serve

pytestmark = pytest.mark.slow

CLAIM = Claim("The volume of the marked region 'cyst' is 12.4 ml.", ("M1",))
SAID = "The marked region 'cyst' has a volume of 12.4 ml."


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", dead_url())  # a proxy must not see what is meant for this machine
    monkeypatch.setenv("OPENAI_BASE_URL", dead_url())


def test_one_claim_goes_out_greedy_bounded_and_with_a_schema() -> None:
    with serve(Chat(says(json.dumps({"sentence": SAID})))) as chat:
        narrator = load_narrator("openai", url=chat.url)
        assert narrator.name == "openai"
        assert narrator.rephrase(CLAIM, (), "en") == SAID
    (asked,) = chat.asked
    assert asked["temperature"] == 0
    assert asked["max_tokens"] == MAX_TOKENS
    assert asked["model"] == "tiny"  # the first that the server lists
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["sentence"]
    assert "tools" not in asked
    assert asked["messages"][0]["role"] == "system"
    assert asked["messages"][-1]["content"] == f"<claim>{CLAIM.text}</claim>"
    assert sum(CLAIM.text in message["content"] for message in asked["messages"]) == 1


def test_plain_text_is_taken_too_and_the_model_may_be_named() -> None:
    with serve(Chat(says(f'Reworded: "{SAID}" Anything else?\nYes.'))) as chat:
        assert load_narrator("openai", url=chat.url, model="big").rephrase(CLAIM, (), "en") == SAID
    assert chat.asked[0]["model"] == "big"


def test_a_server_without_schemas_is_asked_once_more_and_remembered() -> None:
    def reply(asked: dict[str, Any]) -> tuple[int, bytes]:
        return (
            (400, b'{"error": {"message": "no response_format"}}') if "response_format" in asked else says(SAID)(asked)
        )

    with serve(Chat(reply)) as chat:
        narrator = load_narrator("openai", url=chat.url)
        assert [narrator.rephrase(CLAIM, (), "en") for _ in range(2)] == [SAID, SAID]
    assert ["response_format" in one for one in chat.asked] == [True, False, False]


def test_a_dead_url_is_said_with_the_remedy_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    narrator = load_narrator("openai", url=dead_url(), model="tiny")
    with pytest.raises(NarratorError, match=r"cannot be used.*start the server"):
        narrator.rephrase(CLAIM, (), "en")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was asked again"))
    with pytest.raises(NarratorError, match="cannot be used"):
        narrator.rephrase(CLAIM, (), "en")


def test_an_error_of_the_server_is_tried_once_more_and_no_more() -> None:
    with serve(Chat(lambda _: (500, b"{}"))) as chat:
        narrator = load_narrator("openai", url=chat.url)
        with pytest.raises(NarratorError, match="HTTP status 500"):
            narrator.rephrase(CLAIM, (), "en")
        assert len(chat.asked) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("wait", "drip"), [(3600.0, 0.0), (0.0, 0.5)], ids=["says nothing", "drips"])
def test_a_server_that_hangs_is_given_up(wait: float, drip: float) -> None:
    with serve(Chat(says(SAID), wait=wait, drip=drip)) as chat:
        narrator = RemoteNarrator(chat.url, model="tiny", seconds=0.5)
        with pytest.raises(NarratorError, match=r"did not answer within 0\.5 s"):
            narrator.rephrase(CLAIM, (), "en")
        assert len(chat.asked) <= 2


@pytest.mark.slow
@each(
    "body",
    [
        b"<html>",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": 3}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": ["a"]}}]}',
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_garbage_is_an_error_of_ours(body: bytes) -> None:
    with serve(Chat(lambda _: (200, body))) as chat:
        narrator = load_narrator("openai", url=chat.url)
        with pytest.raises(NarratorError, match="start the server or give another URL"):
            narrator.rephrase(CLAIM, (), "en")


def test_a_huge_answer_is_not_read() -> None:
    huge = completion("word " * (MAX_BYTES // 4))
    with serve(Chat(lambda _: (200, huge))) as chat:
        narrator = load_narrator("openai", url=chat.url)
        with pytest.raises(NarratorError, match="cannot be used"):
            narrator.rephrase(CLAIM, (), "en")


def test_a_long_answer_is_cut_to_a_sentence() -> None:
    with serve(Chat(says("word " * 40_000))) as chat:
        assert len(load_narrator("openai", url=chat.url).rephrase(CLAIM, (), "en")) <= 600


def test_a_compressed_answer_is_refused() -> None:
    with serve(Chat(says(SAID), extra={"Content-Encoding": "gzip"})) as chat:
        narrator = load_narrator("openai", url=chat.url)
        with pytest.raises(NarratorError, match="cannot be used"):
            narrator.rephrase(CLAIM, (), "en")


def test_a_redirect_is_not_followed() -> None:
    with (
        serve(Chat(says(SAID))) as other,
        serve(Chat(lambda _: (307, b""), extra={"Location": other.url + "/chat/completions"})) as chat,
    ):
        with pytest.raises(NarratorError, match="HTTP status 307"):
            RemoteNarrator(chat.url, model="tiny").rephrase(CLAIM, (), "en")
        assert not other.asked


def test_the_key_goes_out_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Chat(says(SAID))) as chat:
        load_narrator("openai", url=chat.url).rephrase(CLAIM, (), "en")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        load_narrator("openai", url=chat.url).rephrase(CLAIM, (), "en")
    assert [one["authorization"] for one in chat.headers] == ["Bearer none", "Bearer sk-test"]


@each(
    ("url", "local"),
    [
        ("http://localhost:8080/v1", True),
        ("http://LOCALHOST/v1", True),
        ("https://127.0.0.1/v1", True),
        ("http://127.255.3.9:1/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://localhost.example.org/v1", False),
        ("http://127.0.0.1.example.org/v1", False),
        ("http://localhost./v1", False),
        ("http://127.1/v1", False),
        ("http://2130706433/v1", False),
        ("http://0.0.0.0/v1", False),
        ("http://[::]/v1", False),
        ("http://[::ffff:127.0.0.1]/v1", False),
        ("http://10.0.0.5/v1", False),
        ("https://api.example.com/v1", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, local: bool) -> None:
    assert is_loopback(url) is local
    if local:
        load_narrator("openai", url=url)
    else:
        with pytest.raises(UsageError, match="--allow-remote-llm"):
            load_narrator("openai", url=url)
        load_narrator("openai", url=url, allow_remote=True)


@each(
    "url",
    [
        "localhost:8080",
        "ftp://127.0.0.1/",
        "http://",
        "http://127.0.0.1@example.org/",
        "http://example.org#@127.0.0.1/",
        "http://127.0.0.1\\@example.org/",
        "http://127.0.0.1 .example.org/",
        "http://127.0.0.1:port/",
        "http://[::1/",
        "http://ⓛocalhost/",
        "http://127.0.0.1\n/",
    ],
)
def test_what_is_no_plain_url_is_refused_even_if_remote_is_allowed(url: str) -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:8080/v1"):
        load_narrator("openai", url=url, allow_remote=True)
