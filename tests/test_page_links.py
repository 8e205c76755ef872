"""The page's address leads to the same place again; tables, pictures and explanations can be taken away."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.web_support import PATIENCE, Watched, settled

pytest_plugins = ["tests.web_support"]


def opened(browser_page: Watched) -> Page:
    page = browser_page.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    expect(page.locator(".rs-viewer:visible .topRight")).to_contain_text(re.compile("Slice|One image"))
    settled(page)
    return page


def named(page: Page) -> dict[str, str]:
    """What the address names now."""
    held: dict[str, str] = page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
    return held


def test_a_link_leads_to_study_slice_and_window_and_back_to_what_was_before(browser_page: Watched) -> None:
    page = opened(browser_page)
    first = named(page)["study"]
    page.get_by_role("tab", name="Studies", exact=True).click()
    other = "chest" if "head" in page.locator("#rs-picker input").input_value() else "head"
    page.locator(".rs-list-row", has_text=f"CT {other}").first.click()
    expect(page.locator(".rs-findings caption")).to_contain_text(f"{other}_ct")
    expect(page).to_have_url(re.compile("plane=axial&slice="))  # its first slice is drawn
    settled(page)
    viewer = page.locator(".rs-viewer:visible").first
    viewer.locator(".stage").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    viewer.get_by_label("Level").fill("55")
    viewer.get_by_label("Level").press("Enter")
    expect(page).to_have_url(re.compile("slice=2&level=55&"))
    place = named(page)
    assert place["study"] != first
    browser_page.reload()
    expect(page.locator(".topRight").first).to_contain_text("Slice 2 of")
    expect(page.locator(".bottomLeft").first).to_contain_text("Level 55")
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{place['study'][-6:]}$"))
    settled(page)
    assert named(page) == place
    page.go_back()
    expect(page.get_by_role("tab", name="Studies", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{first[-6:]}$"))
    page.go_forward()
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{place['study'][-6:]}$"))
    expect(page.locator(".bottomLeft").first).to_contain_text("Level 55")


def test_a_reader_who_goes_on_is_not_brought_back_when_the_findings_come(browser_page: Watched) -> None:
    page = opened(browser_page)
    first = page.locator("#rs-picker input").input_value()
    tab = page.get_by_role("tab", name="Studies", exact=True)
    tab.click()
    other = "chest" if "head" in first else "head"
    page.locator(".rs-list-row", has_text=f"CT {other}").first.click()
    tab.click()
    expect(page.locator("#rs-picker input")).not_to_have_value(first)
    settled(page)
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.locator(".rs-findings caption")).to_contain_text(f"{other}_ct")


def test_no_event_writes_to_the_tabs_which_would_have_the_page_copied_at_every_event(web_server: str) -> None:
    with urlopen(f"{web_server}/config", timeout=PATIENCE / 1000) as answer:
        page = json.load(answer)
    kinds = {one["id"]: one["type"] for one in page["components"]}
    assert "tabs" in kinds.values()
    assert "tabs" not in {kinds.get(written) for event in page["dependencies"] for written in event["outputs"]}


def test_a_link_may_name_a_query_and_one_of_a_study_that_is_gone_says_so(browser_page: Watched) -> None:
    page = browser_page.open("/#tab=search&q=pleural+effusion")
    expect(page.locator(".rs-hit").first).to_be_visible()
    assert page.locator("#rs-search-text textarea, #rs-search-text input").input_value() == "pleural effusion"
    page = browser_page.page.context.new_page()
    page.goto(f"{browser_page.base}/#study=2.25.9999&tab=nowhere", wait_until="domcontentloaded")
    expect(page.locator(".toast-body, .toast-wrap").first).to_contain_text("There is nothing of that name")
    expect(page.locator(".rs-findings caption")).to_be_visible()
    page.close()


def test_the_link_the_table_and_the_picture_can_be_taken_away(browser_page: Watched, tmp_path: Path) -> None:
    page = opened(browser_page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    with page.expect_download() as sent:
        page.locator("#rs-screen-table [data-do=csv]").click()
    head, *rows = csv.reader(io.StringIO(Path(sent.value.path()).read_text("utf-8-sig")))
    assert head == ["# Research use only. Not a medical device."]
    assert rows[0][0] == "Finding"
    assert len(rows) == 1 + page.locator(".rs-findings tbody tr").count()
    viewer = page.locator(".rs-viewer:visible").first
    with page.expect_download() as sent:
        viewer.get_by_role("button", name="PNG", exact=True).click()
    assert re.fullmatch(r"radseek-\d{6}-\w+-\d+\.png", sent.value.suggested_filename)
    sent.value.save_as(tmp_path / "picture.png")
    drawn = np.asarray(Image.open(tmp_path / "picture.png").convert("L"))
    shown = viewer.locator(".stage").bounding_box()
    assert shown is not None
    assert drawn.shape[1] == round(shown["width"])
    below = drawn[round(shown["height"]) :]
    assert below.shape[0] >= 20
    assert (below > 150).sum() > 200  # the notice


def test_an_explanation_is_printed_by_itself_and_runs_nothing(browser_page: Watched) -> None:
    page = opened(browser_page)
    page.get_by_role("tab", name="Explain", exact=True).click()
    page.click("#rs-explain-run")
    expect(page.locator("iframe.rs-frame")).to_be_visible(timeout=4 * PATIENCE)
    page.evaluate("document.addEventListener('rs-printed', (event) => (window.printed = event.detail))")
    page.get_by_role("button", name="Print or save as PDF").click()
    expect(page.locator("iframe.rs-print")).to_have_attribute("sandbox", "allow-same-origin allow-modals")
    page.wait_for_timeout(500)
    assert str(page.evaluate("window.printed")).startswith("Explained")
