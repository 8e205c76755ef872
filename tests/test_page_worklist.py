"""The worklist above the images: gone through by key, a word on each row, progress, and the labels that come of it."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.web_support import PATIENCE, Watched, WebIndex, grave, serving, watch

pytest_plugins = ["tests.web_support"]


@pytest.fixture
def visit(context: BrowserContext, web_index: WebIndex, tmp_path: Path) -> Iterator[Watched]:
    """A watched page on a copy of the index, for this test writes."""
    index = tmp_path / "archive.index"
    shutil.copytree(web_index.index, index)
    shutil.copy(web_index.index.with_name("archive.linkage.sqlite"), tmp_path / "archive.linkage.sqlite")
    with serving(WebIndex(index, web_index.studies, web_index.reports, web_index.env)) as address:
        watched = watch(context, address)
        yield watched
        watched.check()
        watched.page.close()  # a server waits for whoever is still connected


def test_a_worklist_is_read_by_key_and_ends_in_labels(visit: Watched) -> None:
    page = visit.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    strip = page.locator(".rs-work-strip")
    expect(strip).to_be_hidden()
    page.get_by_role("tab", name="Archive", exact=True).click()
    page.get_by_role("tab", name="Worklist", exact=True).click()
    page.click("#rs-work-run")
    rows = page.locator("#rs-work-table tbody tr", has=page.locator(".rs-state"))
    expect(rows.first).to_be_visible(timeout=2 * PATIENCE)
    count, first = rows.count(), rows.first.locator(".rs-go").get_attribute("data-open") or ""
    page.get_by_role("tab", name="Screen", exact=True).click()
    expect(strip).to_contain_text(f"0 of {count} read.")
    assert grave(page) == []
    page.keyboard.press("j")
    expect(strip).to_contain_text(f"Worklist 1 of {count}")
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{first[-6:]}$"))
    expect(page.locator(".rs-work-strip[aria-busy=false]")).to_be_visible()  # a word is on what stands on the screen
    with page.expect_response("**/archive/verdict") as kept:
        page.keyboard.press("y")
    assert kept.value.ok
    expect(strip).to_contain_text(f"1 of {count} read.")
    expect(strip).to_contain_text(f"Worklist 2 of {count}")
    page.locator("#rs-screen-words textarea, #rs-screen-words input").fill("")
    page.keyboard.type("nuy")  # in a field, keys are letters
    expect(strip).to_contain_text(f"1 of {count} read.")
    page.locator(".rs-work-where").click()
    page.keyboard.press("k")
    expect(strip).to_contain_text(f"Worklist 1 of {count}")
    expect(strip).to_contain_text("Your word: Agree.")
    page.get_by_label("简体中文").check()
    expect(strip).to_contain_text(f"已读 1 / {count}")
    with page.expect_download() as sent:
        strip.get_by_role("link").click()
    told = list(csv.DictReader(io.StringIO(Path(sent.value.path()).read_text("utf-8-sig"))))
    assert [row["study"] for row in told] == [first]
