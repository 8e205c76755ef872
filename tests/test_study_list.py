"""The list of studies: words, facets, order and windows over 10,000 of them, and the tab that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from playwright.sync_api import Route, expect

from radseek.app.session import Session
from radseek.app.study_list import ListQuestion, StudyList
from radseek.demo.page.study_list_routes import study_list_routes
from radseek.retrieval.index.store import Case, CaseSeries
from tests.web_support import Watched, WebIndex, grave

pytest_plugins = ["tests.web_support"]


class Many:
    """As much of a session as the list asks: 10,000 studies, and how often they were read."""

    index = None
    editions = 0

    def __init__(self, count: int = 10_000) -> None:
        self.read, self._count = 0, count

    def count(self) -> int:
        return self._count

    def each_case(self) -> Iterator[Case]:
        self.read += 1
        for n in range(self._count):
            kind = ("CT", "chest") if n % 4 else ("MR", "head")
            series = CaseSeries(f"s{n}", *kind, f"series {n}", "HU", (n % 50 + 1, 8, 8), None, {})
            known = {"sex": "FM"[n % 2], "age": 20 + n % 60, "year": 2015 + n % 10, "description": f"Visit {n}"}
            report = "a report" if n % 3 else None
            yield Case(f"k{n:05d}", "p", known, (series,), report, (), f"folder/{n}")


def listed(session: Any) -> StudyList:
    return StudyList(session, lambda case: f"{case.series[0].modality} {case.series[0].body_part}")


def test_ten_thousand_studies_are_read_once_and_a_window_of_them_is_given() -> None:
    session = Many()
    studies = listed(session)
    first = studies.ask(ListQuestion())
    assert (first.total, len(first.rows), first.rows[0].key) == (10_000, 100, "k00000")
    assert first.facets["kind"] == {"CT/chest": 7500, "MR/head": 2500}
    assert first.facets["report"] == {"yes": 6666, "no": 3334}
    assert next(iter(first.facets["year"])) == "2024"
    last = studies.ask(ListQuestion(offset=9_990))
    assert [one.key for one in last.rows] == [f"k{n:05d}" for n in range(9_990, 10_000)]
    assert session.read == 1


def test_words_must_all_be_there_and_names_only_for_who_may_see_them() -> None:
    studies = listed(Many(400))
    assert studies.ask(ListQuestion("ct CHEST visit 399")).total == 1
    assert studies.ask(ListQuestion("folder/399")).total == 0
    assert [one.key for one in studies.ask(ListQuestion("folder/399", named=True)).rows] == ["k00399"]


def test_facets_narrow_each_other_and_orders_go_both_ways() -> None:
    studies = listed(Many(400))
    found = studies.ask(ListQuestion(where={"kind": ["MR/head"], "sex": ["F"]}, order="slices", falling=True))
    assert found.total == 100  # every fourth is MR, and all of these are even
    assert found.facets["kind"] == {"MR/head": 100, "CT/chest": 100}
    assert found.facets["sex"] == {"F": 100}
    sizes = [one.slices for one in found.rows]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("role", ["read", "admin"])
def test_who_may_only_read_sees_no_accession_number_and_no_path(web_index: WebIndex, role: str) -> None:
    app = FastAPI()

    @app.middleware("http")
    async def guard(request: Request, go: Any) -> Any:
        request.state.role = role
        return await go(request)

    with Session.open(web_index.index) as session:
        app.include_router(study_list_routes(session))
        client = TestClient(app)
        answer = client.post("/archive/studies", json={}).json()
        assert answer["total"] == 8
        named = "chest_ct_0000" in json.dumps(answer)
        found = client.post("/archive/studies", json={"words": "chest_ct_0000"}).json()
        assert client.get("/archive/thumb/unknown").status_code == 204
    assert (named, found["total"]) == ((True, 1) if role == "admin" else (False, 0))
    assert all(("accession" in row) == (role == "admin") for row in answer["rows"])


def test_a_study_is_found_by_its_accession_number_with_the_keyboard_alone(browser_page: Watched) -> None:
    page = browser_page.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()
    page.get_by_role("tab", name="Studies", exact=True).click()
    rows = page.locator(".rs-list-row")
    expect(rows).to_have_count(8)
    expect(rows.first.locator("img")).to_be_visible()  # its picture
    assert grave(page) == []
    said = rows.nth(5).locator(".rs-list-said span").last.inner_text()
    number = re.search(r"A\d+", said)
    assert number is not None
    page.keyboard.press("/")
    page.keyboard.type(number[0])
    expect(rows).to_have_count(1)
    key = rows.locator(".rs-list-said span").first.inner_text()[-6:]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{key}$"))
    expect(page.get_by_role("tab", name="Screen", exact=True)).to_have_attribute("aria-selected", "true")
    page.get_by_label("简体中文").check()
    page.get_by_role("tab", name="检查", exact=True).click()
    page.locator("#rs-list-search").fill("头部CT")
    expect(page.locator(".rs-list-count")).to_contain_text("2 / 8")
    page.locator("#rs-list-search").fill("no such study")
    expect(page.locator(".rs-list-count")).to_contain_text("没有检查同时符合")


def test_of_ten_thousand_rows_only_those_in_sight_are_drawn(browser_page: Watched) -> None:
    page = browser_page.open()
    expect(page.locator(".rs-findings caption")).to_be_visible()

    def answer(route: Route) -> None:
        asked = route.request.post_data_json
        here = range(asked["offset"], asked["offset"] + asked["limit"])
        rows = [{"study": f"k{n}", "label": f"Study {n}", "facts": "", "description": "", "key": ""} for n in here]
        body = {"total": 10_000, "of": 10_000, "rows": rows, "facets": []}
        route.fulfill(json=body)

    page.route("**/archive/studies", answer)
    page.route("**/archive/thumb/*", lambda route: route.fulfill(status=204))
    page.get_by_role("tab", name="Studies", exact=True).click()
    expect(page.locator(".rs-list-count")).to_have_text("10,000 of 10,000 studies")
    page.locator(".rs-list-port").focus()
    page.keyboard.press("End")
    expect(page.locator("[aria-selected=true] b")).to_have_text("Study 9999")
    assert 0 < page.locator(".rs-list-row").count() < 40


def test_dates_order_and_tell_how_long_ago_for_who_may_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    today = date.today()
    days = {"k00000": today - timedelta(3), "k00001": today - timedelta(400), "k00002": today - timedelta(20)}
    visits = {key: (f"A{key}", day.strftime("%Y%m%d")) for key, day in days.items()}
    monkeypatch.setattr(StudyList, "_visits", lambda self, keys: visits)
    studies = listed(Many(4))
    found = studies.ask(ListQuestion(order="date", falling=True, named=True))
    assert [one.key for one in found.rows] == ["k00000", "k00002", "k00001", "k00003"]
    assert found.facets["when"] == {"week": 1, "month": 1, "older": 1}
    week = studies.ask(ListQuestion(where={"when": ["week"]}, named=True))
    assert [one.key for one in week.rows] == ["k00000"]
    assert studies.ask(ListQuestion(words=days["k00001"].isoformat(), named=True)).total == 1
    hidden = studies.ask(ListQuestion(words=days["k00001"].isoformat(), where={"when": ["week"]}))
    assert (hidden.total, dict(hidden.facets["when"])) == (0, {})
    assert studies.ask(ListQuestion(keys=frozenset({"k00002", "gone"}))).total == 1
    others = [one.key for one in studies.of_patient("k00002")]
    assert others == ["k00000", "k00001", "k00003"]  # the latest first; an unknown day by its year, 2018
    assert studies.of_patient("nobody") == []
