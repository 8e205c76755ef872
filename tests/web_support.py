"""One cohort, one server, one browser for all browser tests; the server is a process with a home of its own.

`python -m tests.web_support INDEX PORT` is that process. A test module takes the fixtures with
`pytest_plugins = ["tests.web_support"]`, so that all share them. (PYTEST_DONT_REWRITE: it is imported by name too.)
"""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("RADSEEK_CHROMIUM", "/usr/bin/chromium")
PATIENCE = 180_000  # ms that a browser test waits for an answer: the machine may be busy
expect.set_options(timeout=PATIENCE)
RAN = "window.__ran=(window.__ran||0)+1"  # what every script below does, where it is run
CHANGING = """() => document.querySelector(".pending") !== null || document.getAnimations().some(one =>
    one.playState === "running" && one.effect.getComputedTiming().endTime !== Infinity)"""
SCRIPTS = (
    f"<script>{RAN}</script>",
    f"<img src=x onerror={RAN}>",
    f'"><svg/onload="{RAN}">',
    f"<details open ontoggle={RAN}>",
    f"<iframe srcdoc='<script>parent.{RAN}</script>'></iframe>",
    f"<a href=javascript:{RAN}>open</a>",
    f"'-({RAN})-'",
    f"${{{RAN}}}",
    f"{{{{constructor.constructor('{RAN}')()}}}}",
    f"</textarea><script>{RAN}</script>",
    f"<math><mtext><style><img src=x onerror={RAN}></style></mtext></math>",
    f"<template><script>{RAN}</script></template>",
    f"<object data=data:text/html;base64,PHNjcmlwdD4xPC9zY3JpcHQ+></object><video><source onerror={RAN}></video>",
    f"]]><x onclick={RAN} onmouseover={RAN} tabindex=1 onfocus={RAN} autofocus>x</x>",
)


@dataclass(frozen=True)
class WebIndex:
    """Eight phantoms with reports, built with the built-in encoder; `env` names their keys' home."""

    index: Path
    studies: Path
    reports: Path
    env: dict[str, str]


@dataclass
class Watched:
    """A page of the browser, and what it did that it should not have."""

    page: Page
    base: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Go to the page and wait until it stands."""
        self.page.goto(self.base + path, wait_until="domcontentloaded")
        self.page.wait_for_selector("#rs-picker input", timeout=PATIENCE)
        return self.page

    def reload(self) -> None:
        """Load the page anew, what Gradio says as it drops the answers still on their way apart: that is no fault."""
        before = list(self.errors)
        self.page.reload(wait_until="domcontentloaded")
        self.errors[:] = before

    def check(self) -> None:
        """Fail for any console error, and for any request off loopback."""
        assert not self.errors, f"the console said: {self.errors}"
        assert not self.foreign, f"requests off loopback: {self.foreign}"


def environment(home: Path) -> dict[str, str]:
    """The variables of a process that must touch nothing of the user's and no network."""
    own = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"), "HF_HOME": str(home / "hf")}
    kept = {name: value for name, value in os.environ.items() if name != "RADSEEK_KEY"}
    return {**kept, **own, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "GRADIO_TEMP_DIR": str(home / "sent")}


@pytest.fixture(scope="session")
def web_index(tmp_path_factory: pytest.TempPathFactory) -> WebIndex:
    """A cohort of eight phantoms, two of each kind, and its index; half of the reports hold `SCRIPTS`.

    Where pytest-xdist runs several workers, one makes it for all.
    """
    own = tmp_path_factory.getbasetemp()
    base = own.parent / "web" if "PYTEST_XDIST_WORKER" in os.environ else own / "web"
    base.mkdir(exist_ok=True)
    made, index, done = base / "phantoms", base / "archive.index", base / "done"
    env = environment(base / "home")
    with FileLock(base / "lock"):
        if not done.exists():
            shared = base.parent / "narrator-cache" / "radseek"  # where the narrator's own tests unpack the model
            (shared / "narrators").mkdir(parents=True, exist_ok=True)
            (base / "home" / "cache").mkdir(parents=True)
            (base / "home" / "cache" / "radseek").symlink_to(shared)
            _make(made, index, env)
            done.touch()
    return WebIndex(index, made / "studies", made / "reports.csv", env)


def _make(made: Path, index: Path, env: dict[str, str]) -> None:
    run = [str(Path(sys.executable).with_name("radseek"))]
    phantoms = [*run, "phantoms", str(made), "--kind", "mixed", "--studies", "8", "--seed", "7"]
    subprocess.run(phantoms, env=env, check=True, capture_output=True, cwd=ROOT)
    _plant(made / "reports.csv")
    build = [*run, "build", str(made / "studies"), "--index", str(index), "--reports", str(made / "reports.csv")]
    subprocess.run(build, env=env, check=True, capture_output=True, cwd=ROOT)


def _plant(reports: Path) -> None:
    """Add scripts to the sentences of every other report, as somebody might who writes reports."""
    with reports.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[::2]:
        row["report"] += " " + " ".join(f"Planted {number}: {script}." for number, script in enumerate(SCRIPTS))
    with reports.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def web_server(web_index: WebIndex) -> Iterator[str]:
    """The base URL of a server with the page mounted."""
    with serving(web_index) as base:
        yield base


@contextmanager
def serving(made: WebIndex, *, empty: bool = False) -> Iterator[str]:
    """Run a server on an index, or `empty` without one, while the block lasts, and give its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = made.index.parent / f"server-{port}.log"
    command = [sys.executable, "-m", "tests.web_support", "" if empty else str(made.index), str(port)]
    with log.open("w") as told:
        process = subprocess.Popen(command, env=made.env, cwd=ROOT, stdout=told, stderr=told)
        try:
            base = f"http://127.0.0.1:{port}"
            _await(base, process, log)
            yield base
        finally:
            process.terminate()
            process.wait(20)


def _await(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 280  # importing torch and Gradio takes minutes on a machine that does other things
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urlopen(f"{base}/web/page.css", timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium; never downloaded."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed (Debian package chromium; or set RADSEEK_CHROMIUM)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor of its own: no cookies, no cache."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def browser_page(context: BrowserContext, web_server: str) -> Iterator[Watched]:
    """A page that is watched: console errors and requests off loopback fail the test when it ends."""
    watched = watch(context, web_server)
    yield watched
    watched.check()


def watch(context: BrowserContext, base: str) -> Watched:
    """Return a new page of a context that writes down what it does."""
    page = context.new_page()
    watched = Watched(page, base)

    def told(message: Any) -> None:
        # Playwright itself looks into the explanation's frame by script, and is refused as any script would be.
        if message.type == "error" and "Blocked script execution in 'about:srcdoc'" not in message.text:
            watched.errors.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith((base, "data:", "blob:", "about:")):
            watched.foreign.append(request.url)

    page.on("console", told)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    context.on("request", asked)
    return watched


def settled(page: Page) -> None:
    """Wait until the page shows its newest answers: Gradio dims an old one (`.pending`) until the new one is there.

    Still for 0.3 s, since one answer may set off the next. (`wait_for_function` never ends under the page's policy.)
    """
    still = 0
    for _ in range(PATIENCE // 100):
        still = 0 if page.evaluate(CHANGING) else still + 1
        if still > 3:
            return
        page.wait_for_timeout(100)
    raise TimeoutError(f"the page did not settle in {PATIENCE} ms")


def grave(page: Page) -> list[str]:
    """What axe-core calls serious or critical on a page that has settled, each with the first element it is about."""
    settled(page)
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def serve(index: str, port: int) -> None:
    """Serve an index with the page, until the process is told to end."""
    import uvicorn
    from fastapi import FastAPI

    from radseek.app.session import Session
    from radseek.demo.page.mount import mount_page
    from radseek.html.session_explanation import explain_html
    from radseek.server.server_app import create_app
    from radseek.server.settings import Settings

    page = FastAPI(openapi_url=None)
    with Session.open(index or None) as session:
        mount_page(page, session, explain=explain_html)
        uvicorn.run(create_app(session, Settings(port=port), page), port=port, log_level="warning")


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
