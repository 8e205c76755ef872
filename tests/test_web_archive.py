"""The Archive and About tabs in a browser: map, worklist, verdicts, adding studies, both languages, hostile words."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.web_support import PATIENCE, Watched, WebIndex, grave, serving, watch

pytest_plugins = ["tests.web_support"]


@contextmanager
def serving_copy(web_index: WebIndex, base: Path) -> Iterator[tuple[str, Path]]:
    """Run a server on a copy of the index, for these tests write; give its address, and the index."""
    index = base / "archive.index"
    shutil.copytree(web_index.index, index)
    shutil.copy(web_index.index.with_name("archive.linkage.sqlite"), base / "archive.linkage.sqlite")
    with serving(WebIndex(index, web_index.studies, web_index.reports, web_index.env)) as address:
        yield address, index


@pytest.fixture(scope="module")
def archive(web_index: WebIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server whose studies stay the eight that they are; its address, and the index."""
    with serving_copy(web_index, tmp_path_factory.mktemp("archive")) as made:
        yield made


@pytest.fixture
def visit(context: BrowserContext, archive: tuple[str, Path]) -> Iterator[Watched]:
    """A watched page on that server."""
    watched = watch(context, archive[0])
    yield watched
    watched.check()


@pytest.fixture
def growing(context: BrowserContext, web_index: WebIndex, tmp_path: Path) -> Iterator[Watched]:
    """A watched page of a server of its own, whose archive grows."""
    with serving_copy(web_index, tmp_path / "served") as (address, _):
        watched = watch(context, address)
        yield watched
        watched.check()
        watched.page.close()  # a server waits for whoever is still connected


def open_part(page: Page, name: str) -> None:
    page.locator("#rs-tabs button[role=tab]", has_text=re.compile(r"^(Archive|档案)$")).click()
    page.locator("#rs-archive-tabs button[role=tab]", has_text=re.compile(rf"^({name})$")).click()


def test_the_map_shows_every_study_and_a_click_opens_one(visit: Watched) -> None:
    page = visit.open()
    open_part(page, "Map")
    expect(page.locator("#rs-archive-counts")).to_contain_text("8 studies")
    page.click("#rs-map-draw")
    page.wait_for_selector("#rs-map .plotly .point", timeout=PATIENCE)
    assert page.locator("#rs-map .plotly .point").count() == 8
    expect(page.locator("#rs-map .legend")).to_contain_text("CT chest (2)")
    page.locator("#rs-map-by input").click()
    page.get_by_role("option", name="site or manufacturer").click()
    expect(page.locator("#rs-map .legend")).to_contain_text("radseek phantom")
    assert grave(page) == []
    before = page.locator("#rs-picker input").input_value()
    places = page.evaluate(
        """() => { const root = document.querySelector('.rs-map'); root.scrollIntoView();
        const box = root.getBoundingClientRect(), { xaxis, yaxis } = root._fullLayout;
        return root._fullData.flatMap((trace) => trace.customdata.map((key, n) => [key,
          box.x + xaxis._offset + xaxis.d2p(trace.x[n]), box.y + yaxis._offset + yaxis.d2p(trace.y[n])])); }"""
    )

    def alone(place: tuple[str, float, float]) -> float:
        return min(math.dist(place[1:], other[1:]) for other in places if other is not place)

    # Points of one kind may overlap, and the upper one is clicked: take one that stands alone.
    chosen, *at = max((place for place in places if not before.endswith(place[0][-6:])), key=alone)
    page.mouse.move(*at)
    page.mouse.click(*at)
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{chosen[-6:]}$"), timeout=PATIENCE)
    expect(page.locator("#rs-tabs button[role=tab][aria-selected=true]").first).to_have_text("Screen")


def test_a_visitor_whose_browser_speaks_chinese_has_the_map_too(browser: Browser, archive: tuple[str, Path]) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    context.set_default_timeout(PATIENCE)
    visitor = watch(context, archive[0])
    page = visitor.open()
    expect(page.locator("#rs-header")).to_contain_text("仅供研究使用", timeout=PATIENCE)
    open_part(page, "分布图")
    page.click("#rs-map-draw")
    expect(page.locator("#rs-map .legend")).to_contain_text("胸部CT (2)", timeout=PATIENCE)
    visitor.check()
    context.close()


def test_the_map_is_coloured_by_the_state_of_a_finding(visit: Watched) -> None:
    page = visit.open()
    open_part(page, "Map")
    page.locator("#rs-map-by input").click()
    page.get_by_role("option", name="state of a finding").click()
    page.locator("#rs-map-finding input").click()
    page.get_by_role("option", name="cardiomegaly").click()
    page.click("#rs-map-draw")
    expect(page.locator("#rs-map .legend")).to_contain_text("not asked of it (4)", timeout=2 * PATIENCE)


def test_the_worklist_falls_by_probability_and_its_file_says_the_same(visit: Watched) -> None:
    page = visit.open()
    open_part(page, "Worklist")
    page.click("#rs-work-run")
    page.wait_for_selector("#rs-work-table tbody tr", timeout=2 * PATIENCE)
    shown = [float(text) for text in page.locator("#rs-work-table tbody td.rs-num:nth-child(4)").all_inner_texts()]
    assert len(shown) > 0
    assert shown == sorted(shown, reverse=True)
    assert grave(page) == []
    with page.expect_download() as sent:
        page.locator("#rs-work-table a.rs-file").click()
    text = Path(sent.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text.split("\n", 1)[1])))
    assert len(rows) == 8
    assert [round(float(row["probability"]), 2) for row in rows if row["probability"]] == pytest.approx(
        shown, abs=0.011
    )
    page.locator("#rs-work-table .rs-go").first.click()
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{rows[0]['study'][-6:]}$"), timeout=PATIENCE)


def test_a_verdict_is_logged_shown_and_exported_and_its_note_runs_no_script(
    visit: Watched, archive: tuple[str, Path]
) -> None:
    page, log = visit.open(), archive[1].with_name("archive.verdicts.jsonl")
    open_part(page, "Verdicts")
    page.wait_for_selector("#rs-verdict-claim .rs-claim", timeout=PATIENCE)
    page.click("#rs-verdict-save")
    expect(page.locator("#rs-verdict-status")).to_contain_text("Choose agree", timeout=PATIENCE)
    page.locator("#rs-verdict-opinion label", has_text="disagree").click()
    page.fill("#rs-verdict-note textarea", "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>")
    page.click("#rs-verdict-save")
    expect(page.locator("#rs-verdict-status")).to_contain_text("Saved", timeout=PATIENCE)
    expect(page.locator("#rs-verdict-table table")).to_contain_text("<script>window.hacked=1</script>")
    assert page.evaluate("window.hacked") is None
    assert grave(page) == []
    (line,) = log.read_text("utf8").splitlines()
    written = json.loads(line)
    assert written["verdict"] == "disagree"
    with page.expect_download() as sent:
        page.locator("#rs-verdict-table a", has_text="Labels").click()
    label = "1" if written["state"] == "absent" else "0"
    expected = f"study,finding,label\n{written['study']},{written['finding']},{label}\n"
    assert Path(sent.value.path()).read_text("utf8") == expected


def test_what_was_noticed_and_about_are_there_in_both_languages(visit: Watched) -> None:
    page = visit.open()
    open_part(page, "As read")
    expect(page.locator("#rs-archive-reading")).to_contain_text("Nothing was noticed in any of the 8 studies")
    page.locator("#rs-tabs button[role=tab]", has_text="About").click()
    expect(page.locator("#rs-about")).to_contain_text("Research use only. Not a medical device.")
    expect(page.locator("#rs-card")).to_contain_text("EfficientNet-Lite0")
    assert grave(page) == []
    page.locator("#rs-language label", has_text="简体中文").click()
    expect(page.locator("#rs-about")).to_contain_text("仅供研究使用，不是医疗器械。", timeout=PATIENCE)
    open_part(page, "工作列表")
    expect(page.locator("#rs-work-run")).to_have_text("筛查全部档案")
    open_part(page, "读取提示")
    expect(page.locator("#rs-archive-reading")).to_contain_text("8 个检查均无提示")


def test_studies_are_added_files_that_are_none_are_named_and_the_archive_moves_on(
    growing: Watched, tmp_path: Path
) -> None:
    command = [str(Path(sys.executable).with_name("radseek")), "phantoms", str(tmp_path / "new")]
    subprocess.run(
        [*command, "--kind", "chest_xray", "--studies", "1", "--seed", "99"], check=True, capture_output=True
    )
    (new,) = sorted((tmp_path / "new" / "studies").rglob("*.dcm"))
    (tmp_path / "broken.dcm").write_text("no image")
    page = growing.open()
    open_part(page, "Add studies")
    page.set_input_files("#rs-archive-tabs input[type=file]", [new, tmp_path / "broken.dcm"])
    expect(page.locator("#rs-add-status")).to_contain_text("Added 1 studies", timeout=3 * PATIENCE)
    expect(page.locator("#rs-add-status")).to_contain_text("not_dicom")
    expect(page.locator("#rs-archive-counts")).to_contain_text("9 studies")
    page.set_input_files("#rs-archive-tabs input[type=file]", [tmp_path / "broken.dcm"])
    expect(page.locator("#rs-add-status")).to_contain_text("Added 0 studies", timeout=3 * PATIENCE)
