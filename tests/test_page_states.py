"""What the page shows before there is an answer: an empty state with its next step, never an error."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, BrowserContext, expect

from tests.web_support import PATIENCE, WebIndex, grave, serving, watch

pytest_plugins = ["tests.web_support"]


def test_without_an_archive_two_buttons_lead_on(context: BrowserContext, web_index: WebIndex) -> None:
    with serving(web_index, empty=True) as address:
        watched = watch(context, address)
        page = watched.open()
        empty = page.locator(".rs-empty")
        expect(empty).to_contain_text("Nothing to look at yet")
        expect(page.locator(".rs-trouble")).to_have_count(0)
        assert grave(page) == []
        page.get_by_label("简体中文").check()
        expect(empty).to_contain_text("尚无可查看的检查")
        with page.expect_file_chooser():
            empty.get_by_role("button", name="上传文件…").click()
        empty.get_by_role("button", name="打开合成检查").click()
        expect(page.locator("#rs-status")).to_contain_text("已上传 4 个检查", timeout=3 * PATIENCE)
        expect(page.locator(".rs-findings caption")).to_be_visible()
        watched.check()
        page.close()


def test_it_opens_in_the_browsers_language_on_a_study_that_a_set_fits(browser: Browser, web_server: str) -> None:
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(PATIENCE)
    watched = watch(context, web_server)
    page = watched.open()
    expect(page.locator(".rs-findings caption")).to_contain_text("征象")
    expect(page.locator("#rs-facts")).to_contain_text(re.compile("层|单幅"))  # the study's, not the archive's
    chances = page.locator(".rs-findings td:nth-child(3)").all_inner_texts()
    assert not {"0.00", "1.00"} & set(chances)
    watched.check()
    context.close()
