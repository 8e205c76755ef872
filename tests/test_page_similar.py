"""Similar cases in the page: what they share with the study, in what they differ, and more like one of them."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from radseek.demo.page.shared_findings import chips
from radseek.prompts import find
from tests.web_support import Watched, grave, settled

pytest_plugins = ["tests.web_support"]

FINDINGS = {name: find(name) for name in ("pneumothorax", "pleural_effusion", "cardiomegaly", "rib_fracture")}


def test_shared_and_differing_findings_are_told_apart() -> None:
    known = {"pneumothorax": "present", "pleural_effusion": "present", "cardiomegaly": "absent"}
    report = "Large pneumothorax. No pleural effusion. The heart is enlarged. Rib fracture."
    drawn = re.findall(r"rs-chip-(\w+).*?>([^<>]+)</span>", chips(known, report, FINDINGS, "en"))
    assert drawn == [
        ("shared", "both: pneumothorax"),
        ("differs", "only this study: pleural effusion"),
        ("differs", "only the case: cardiomegaly"),
    ]
    assert chips(known, None, FINDINGS, "en") == chips({}, report, FINDINGS, "zh") == ""


def test_more_like_a_case_asks_for_its_own_neighbours(browser_page: Watched) -> None:
    page = browser_page.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    page.get_by_role("tab", name="Similar cases", exact=True).click()
    page.click("#rs-similar-run")
    more = page.get_by_role("button", name=re.compile("^More like this"))
    expect(more.first).to_be_visible()
    settled(page)
    assert grave(page) == []
    key = more.first.get_attribute("data-open") or ""
    more.first.click()
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{key[-6:]}$"))
    expect(page.get_by_role("tab", name="Similar cases", exact=True)).to_have_attribute("aria-selected", "true")
    expect(more.first).not_to_have_attribute("data-open", key)
    expect(more.first).to_be_visible()
