"""Searching in the page: suggestions while typing, what was understood as chips, and answers that are none."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.web_support import Watched, grave

pytest_plugins = ["tests.web_support"]


def searching(browser_page: Watched) -> tuple[Page, Locator]:
    """Open the tab, and give its field."""
    page = browser_page.open("/#tab=search")
    field = page.locator("#rs-search-text textarea, #rs-search-text input")
    expect(field).to_be_visible()
    expect(page.locator("#rs-facts li").first).to_be_visible()
    return page, field


def test_findings_are_suggested_in_both_languages_and_chosen_with_the_keyboard(browser_page: Watched) -> None:
    page, field = searching(browser_page)
    field.press_sequentially("no pneumoth")
    offered = page.get_by_role("option")
    expect(offered.first).to_have_text("pneumothorax · 气胸")
    assert grave(page) == []
    field.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "rs-suggest-0")
    field.press("Enter")
    expect(field).to_have_value("no pneumothorax")
    expect(page.locator(".rs-suggest")).to_have_count(0)
    field.press("Enter")
    chips = page.locator(".rs-said-chip")
    expect(chips).to_have_text(re.compile("pneumothorax: absent"))
    expect(page.locator(".rs-asked")).to_contain_text("Searched in images and reports for:")
    field.fill("")
    field.press_sequentially("胸腔")
    page.get_by_role("option", name="胸腔积液").first.click()
    expect(field).to_have_value("胸腔积液")
    field.press("Enter")
    expect(chips).to_have_text(re.compile("pleural effusion: present"))
    page.get_by_label("简体中文").check()
    expect(chips).to_have_text(re.compile("胸腔积液: 存在"))


def test_what_is_added_and_taken_away_is_told_apart_and_no_answer_says_what_to_do(browser_page: Watched) -> None:
    page, field = searching(browser_page)
    field.fill('"effusion" + "cardiomegaly" - "pneumothorax"')
    page.click("#rs-search-run")
    expect(page.locator(".rs-said-chip").last).to_contain_text("−pneumothorax: taken away")
    page.locator("#rs-search-within input").click()
    page.get_by_role("option", name="reports", exact=True).click()
    field.fill("a swallowed golden coin")
    page.click("#rs-search-run")
    expect(page.locator(".rs-said-chip")).to_have_count(1)
    expect(page.locator(".rs-empty:visible")).to_contain_text("Nothing is close enough to these words.")
