"""The server before a real browser: logging in, and answers full of scripts opened as if they were pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest

pytest.importorskip("playwright")

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from playwright.sync_api import BrowserContext, expect

from radseek.app.session import Session
from radseek.demo.page.page_words import section_words
from radseek.demo.page.visitor_panel import visitor_routes
from radseek.demo.viewer import viewer_routes
from radseek.server.server_app import create_app
from tests.server_support import GUARDED, READ, listening
from tests.web_support import watch

pytest_plugins = ["tests.server_support", "tests.web_support"]  # all browser tests share one browser
pytestmark = pytest.mark.usefixtures("own_key")


@pytest.fixture(scope="module")
def guarded_page(session: Session) -> Iterator[str]:
    """A guarded server with a page that says that it is one."""
    page = FastAPI()

    @page.get("/")
    def front() -> HTMLResponse:
        return HTMLResponse("<h1 id=front>the page</h1>", headers={"Content-Security-Policy": "default-src 'self'"})

    @page.get("/visitor")
    def visitor() -> HTMLResponse:
        content = '<div id="line" hidden></div><script type="module" src="/own.js"></script>'
        return HTMLResponse(content, headers={"Content-Security-Policy": "default-src 'self'"})

    @page.get("/own.js")
    def own() -> Response:
        value = json.dumps(section_words("visitor", "en"))
        script = (
            f"import('/web/visitor.js').then((it) => it.attach(document.getElementById('line'), '/archive', {value}))"
        )
        return Response(script, media_type="text/javascript")

    @page.get("/web/visitor.js")
    def script() -> Response:
        return Response(files("radseek.demo.page").joinpath("visitor.js").read_bytes(), media_type="text/javascript")

    page.include_router(visitor_routes(session))
    page.include_router(viewer_routes(session))
    with listening(create_app(session, GUARDED, page)) as base:
        yield base


def test_a_reader_logs_in_and_out(context: BrowserContext, guarded_page: str) -> None:
    watched = watch(context, guarded_page)
    page = watched.page
    page.goto(guarded_page)
    assert page.url == f"{guarded_page}/login"
    assert "Research use only" in page.inner_text("main")
    page.fill("#token", "a wrong token, quite long")
    page.click("button")
    page.wait_for_selector("[role=alert]")
    page.fill("#token", READ)
    page.keyboard.press("Enter")
    page.wait_for_selector("#front")
    (cookie,) = context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("fetch('/v1/studies').then(r => r.status)") == 200
    asking = """fetch('/v1/search', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({text: 'nodule'})}).then(r => r.status)"""
    assert page.evaluate(asking) == 200
    assert page.evaluate("fetch('/logout', {method: 'POST'}).then(r => r.url)") == f"{guarded_page}/login"
    page.goto(guarded_page)
    assert page.url == f"{guarded_page}/login"
    assert watched.foreign == []


def test_the_page_says_who_is_logged_in_and_that_the_session_has_ended(
    context: BrowserContext, guarded_page: str
) -> None:
    page = watch(context, guarded_page).page
    page.goto(f"{guarded_page}/login")
    page.fill("#token", READ)
    page.keyboard.press("Enter")
    page.wait_for_selector("#front")
    page.goto(f"{guarded_page}/visitor#study=2.25.1")
    expect(page.locator("#line")).to_contain_text("Logged in: may read")
    context.clear_cookies()  # as a session that is over
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    page.get_by_role("link", name="Log in again").click()
    page.wait_for_selector("#token")
    page.fill("#token", READ)
    page.keyboard.press("Enter")
    page.wait_for_selector("#front")
    page.goto(f"{guarded_page}/visitor")
    expect(page.locator("#line")).to_contain_text("Logged in: may read")
    assert page.url.endswith("#study=2.25.1")  # where the reader was
    page.get_by_role("button", name="Log out").click()
    page.wait_for_selector("#token")


def test_answers_full_of_scripts_run_none_when_they_are_opened(
    context: BrowserContext,
    guarded_page: str,
    session: Session,
) -> None:
    watched = watch(context, guarded_page)
    ran: list[str] = []
    watched.page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    watched.page.goto(f"{guarded_page}/login")
    watched.page.fill("#token", READ)
    watched.page.keyboard.press("Enter")
    watched.page.wait_for_selector("#front")
    for case in session.cases():
        watched.page.goto(f"{guarded_page}/v1/studies/{case.key}")
        assert "alert(1)" in watched.page.content()
        assert watched.page.evaluate("document.scripts.length") == 0
    watched.page.goto(f"{guarded_page}/v1/<script>alert(1)</script>")
    assert ran == []
    assert watched.foreign == []
