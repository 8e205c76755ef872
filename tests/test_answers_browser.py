"""demo/page/answers.js against a server that ends its stream while a question is on its way, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

pytest_plugins = ["tests.web_support"]  # its browser, which all browser tests share

# A server whose every answer the test gives by hand, and a page that reads its stream as Gradio's does.
_SERVER = """() => {
    window.streams = [];
    window.joins = [];
    window.got = [];
    window.fetch = (what) => {
        const url = String(what.url ?? what);
        if (url.includes("/queue/join")) {
            return new Promise((answer) => window.joins.push((id) => answer(Response.json({ event_id: id }))));
        }
        if (!url.includes("/queue/data")) return Promise.resolve(new Response("as it was"));
        const body = new ReadableStream({ start: (stream) => window.streams.push(stream) });
        return Promise.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    };
    window.send = (n, told) => {
        const bytes = new TextEncoder().encode(`data: ${JSON.stringify(told)}\\n\\n`);
        window.streams[n].enqueue(bytes.slice(0, 9)); // a message may come in pieces
        window.streams[n].enqueue(bytes.slice(9));
    };
    window.question = () => void fetch("http://here/queue/join?", { method: "POST", body: "{}" });
    window.listen = async () => {
        try {
            const answer = await fetch("http://here/queue/data?session_hash=x");
            const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
            for (;;) {
                const { value, done } = await reader.read();
                if (done) return window.got.push("end");
                for (const line of value.split("\\n\\n").filter(Boolean)) {
                    const told = JSON.parse(line.slice(6));
                    window.got.push(told.event_id ? `${told.msg} ${told.event_id}` : told.msg);
                }
            }
        } catch (error) {
            window.got.push(`broken: ${error.message}`);
        }
    };
}"""


_TURNS = """() => new Promise((done) => {
    let left = 50;
    const turn = () => (left-- ? setTimeout(turn) : done());
    turn();
})"""


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    opened = context.new_page()
    opened.evaluate(_SERVER)
    opened.add_script_tag(content=files("radseek.demo.page").joinpath("answers.js").read_text("utf8"))
    yield opened
    opened.close()


def do(page: Page, *steps: str) -> None:
    """Run steps one after another, each given its turns of the page's event loop to arrive: all of it happens there."""
    for step in steps:
        page.evaluate(step)
        page.evaluate(_TURNS)


def send(n: int, message: str, event: str = "") -> str:
    told = f'msg: "{message}"' + (f', event_id: "{event}"' if event else "")
    return f"send({n}, {{ {told} }})"


def got(page: Page) -> Any:
    return page.evaluate("got")


def test_the_end_reaches_the_page_where_nothing_is_asked(page: Page) -> None:
    do(page, "question()", 'joins[0]("a")', "void listen()", send(0, "estimation", "a"))
    do(page, send(0, "process_completed", "a"), send(0, "close_stream"))
    assert got(page) == ["estimation a", "process_completed a", "close_stream", "end"]
    assert page.evaluate("streams.length") == 1


def test_a_question_on_its_way_when_the_stream_ends_is_answered_in_the_next(page: Page) -> None:
    do(page, "question()", 'joins[0]("a")', "void listen()", send(0, "process_completed", "a"))
    do(page, "question()", send(0, "close_stream"))
    assert got(page) == ["process_completed a"]
    assert page.evaluate("streams.length") == 2
    do(page, 'joins[1]("b")', send(1, "process_completed", "b"), send(1, "close_stream"))
    assert got(page) == ["process_completed a", "process_completed b", "close_stream", "end"]


def test_a_question_that_has_its_number_but_no_answer_is_waited_for(page: Page) -> None:
    do(page, "question()", "question()", 'joins[0]("a")', 'joins[1]("b")', "void listen()")
    do(page, send(0, "process_completed", "a"), send(0, "close_stream"), send(1, "process_completed", "b"))
    do(page, send(1, "close_stream"))
    assert got(page) == ["process_completed a", "process_completed b", "close_stream", "end"]


def test_an_answer_may_come_before_its_questions_number(page: Page) -> None:
    do(page, "void listen()", "question()", send(0, "process_completed", "a"), 'joins[0]("a")', send(0, "close_stream"))
    assert got(page) == ["process_completed a", "close_stream", "end"]


def test_a_stream_that_breaks_off_is_an_error_of_the_page_too(page: Page) -> None:
    do(page, "question()", 'joins[0]("a")', "void listen()", "streams[0].close()")
    assert got(page) == ["broken: the stream of answers broke off"]


def test_other_requests_are_left_alone(page: Page) -> None:
    assert page.evaluate("fetch('http://here/config').then((answer) => answer.text())") == "as it was"
