"""A reader's hand on the page: what is clicked, dragged and pressed is counted; and the server that the page is of."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.page_archive import ACCESSION, TriedArchive
from tests.web_support import ROOT, settled

SIZES = {"1440x900": (1440, 900), "1920x1200": (1920, 1200), "390x844": (390, 844)}
LANGS = {"en": "en-US", "zh": "zh-CN"}
PATIENCE = 150_000  # ms that a step may take; adding a study is one
VIEWER = ".rs-viewer:visible"
PARTS = ("map", "worklist", "verdicts", "labels", "kept", "reading", "add")


def tab_button(page: Page, name: str) -> Locator:
    """Return the button of a tab."""
    bar = page.locator(f".rs-tabbar button[data-page={name}]:visible")
    return bar if bar.count() else page.locator(f"#rs-tab-{name}-button:visible")


def part_button(page: Page, name: str) -> Locator:
    """Return the button of a part of the Archive tab, where it stands in the row."""
    return page.locator(f"#rs-part-{name}-button:visible")


def part_in_menu(page: Page, name: str) -> Locator:
    """Return the button of a part of the Archive tab in the menu of those that do not fit."""
    beyond = [one for one in PARTS if not part_button(page, one).count()]
    return page.locator("#rs-archive-tabs .overflow-dropdown button").nth(beyond.index(name))


class Hand:
    """A reader's hand on a page: everything that is done goes through it and is counted."""

    def __init__(self, page: Page, archive: TriedArchive, lang: str) -> None:
        self.page, self.archive, self.lang = page, archive, lang
        self.clicks = self.drags = self.keys = 0

    def click(self, what: str | Locator) -> None:
        """Click the first of what a selector finds."""
        self.clicks += 1
        place = self.page.locator(what).first if isinstance(what, str) else what.first
        place.click()

    def press(self, key: str) -> None:
        """Press a key."""
        self.keys += 1
        self.page.keyboard.press(key)

    def write(self, what: str, text: str) -> None:
        """Choose a field and type."""
        self.click(what)
        self.keys += 1
        self.page.keyboard.insert_text(text)

    def drag(self, box: dict[str, float], start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag between two places of a box, given as shares of its sides."""
        self.drags += 1
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=6)
        self.page.mouse.up()

    def tab(self, name: str) -> None:
        """Go to a tab: in the row of tabs, or in the bar of a narrow window."""
        self.click(tab_button(self.page, name))

    def part(self, name: str) -> None:
        """Go to a part of the Archive tab: in its row, or in the menu of those that do not fit."""
        if not part_button(self.page, name).count():
            self.click("#rs-archive-tabs .overflow-menu > button")
            self.click(part_in_menu(self.page, name))
        else:
            self.click(part_button(self.page, name))

    def save(self, what: str | Locator) -> str:
        """Click what sends a file, and return its text."""
        with self.page.expect_download() as sent:
            self.click(what)
        return Path(sent.value.path()).read_text("utf-8-sig")

    def drawn(self, n: int = 0) -> Locator:
        """Wait until a viewer shows a slice of a study that is here as a whole, and return it."""
        viewer = self.page.locator(VIEWER).nth(n)
        expect(viewer.locator(".bottomLeft")).to_contain_text("%")
        expect(viewer.locator(".topRight")).not_to_contain_text("…")
        return viewer

    def open_recent(self) -> None:
        """Open last week's chest CT by its accession number."""
        self.tab("studies")
        self.write("#rs-list-search", ACCESSION)
        row = self.page.locator(".rs-list-row", has_text=ACCESSION)
        expect(row).to_have_count(1)
        expect(self.page.locator(".rs-list-row")).to_have_count(1)
        self.press("Enter")
        self.drawn()


@contextmanager
def serving(archive: TriedArchive, folder: Path) -> Iterator[tuple[str, TriedArchive]]:
    """Run `radseek serve` on a copy of an archive; yield its address and the copy."""
    shutil.rmtree(folder, ignore_errors=True)
    index = folder / archive.index.name
    shutil.copytree(archive.index, index)
    linkage = archive.index.with_name(f"{archive.index.stem}.linkage.sqlite")
    shutil.copy(linkage, folder / linkage.name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "radseek", "serve", "--index", str(index), "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=archive.env, cwd=ROOT, stdout=log, stderr=log)
    try:
        base = f"http://127.0.0.1:{port}"
        _await(base, process)
        yield base, replace(archive, index=index)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # a heat map is being computed: the copy may be lost
            process.kill()
            process.wait(30)


def _await(base: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2_000):  # ten minutes: a busy machine takes three to import torch and gradio
        try:
            urlopen(f"{base}/web/page.css", timeout=5).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the server did not start; read server.log") from None
            time.sleep(0.3)


def opened(browser: Browser, base: str, size: str, lang: str) -> Page:
    """Open the page, and wait until it stands."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale=LANGS[lang])
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(base, wait_until="domcontentloaded")
    expect(page.locator(".rs-findings caption")).to_be_visible()
    expect(page.locator(f"{VIEWER} .bottomLeft").first).to_contain_text("%")
    settled(page)
    return page
