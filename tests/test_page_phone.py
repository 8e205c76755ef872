"""The page at 390 pixels and in both of the system's looks: one column, every tab in a bar, axe finds nothing."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.web_support import PATIENCE, settled, watch

pytest_plugins = ["tests.web_support"]

TABS = ("studies", "screen", "similar", "search", "explain", "archive", "about")


def violations(page: Page) -> list[str]:
    """Everything that axe-core finds, however slight."""
    settled(page)
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in Axe().run(page).response["violations"]]


@pytest.mark.parametrize(
    ("locale", "notice", "scheme"),
    [
        ("en-US", "Research use only.", "light"),
        ("zh-CN", "仅供研究使用", "dark"),
        pytest.param("en-US", "Research use only.", "dark", marks=pytest.mark.sweep),
        pytest.param("zh-CN", "仅供研究使用", "light", marks=pytest.mark.sweep),
    ],
)
def test_every_tab_is_usable_on_a_phone(
    browser: Browser, web_server: str, scheme: str, locale: str, notice: str
) -> None:
    size = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, locale=locale, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    watched = watch(context, web_server)
    page = watched.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    expect(page.locator("#rs-header")).to_contain_text(notice)
    box = page.locator("#rs-header .rs-notice").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 120
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(244, 246, 248)" if scheme == "light" else "rgb(18, 22, 26)")
    found = {}
    for name in TABS:
        button = page.locator(f".rs-tabbar [data-page={name}]")
        button.click()
        expect(button).to_have_attribute("aria-current", "page")
        expect(page.locator(f"#rs-tab-{name}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        found[name] = violations(page)
    assert {name: told for name, told in found.items() if told} == {}
    watched.check()
    context.close()


def test_a_wide_window_has_gradios_own_tabs_and_no_bar(browser: Browser, web_server: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    watched = watch(context, web_server)
    page = watched.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    expect(page.locator(".rs-tabbar")).to_be_hidden()
    assert violations(page) == []
    watched.check()
    context.close()
