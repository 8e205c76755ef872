"""The page in chromium: bring, screen, look, compare, search, explain, in two languages; nothing leaves loopback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.build_support import write_nifti
from tests.conftest import DATA
from tests.web_support import PATIENCE, Watched, WebIndex, grave, settled

pytest_plugins = ["tests.web_support"]

TABS = {
    "studies": ("Studies", "检查"),
    "screen": ("Screen", "筛查"),
    "similar": ("Similar cases", "相似病例"),
    "search": ("Search", "检索"),
    "explain": ("Explain", "解释"),
    "archive": ("Archive", "档案"),
    "about": ("About", "关于"),
}


def tab(page: Page, name: str, lang: int = 0) -> None:
    page.locator("#rs-tabs").get_by_role("tab", name=TABS[name][lang], exact=True).first.click()


def choose(page: Page, words: str) -> None:
    """Choose the first study whose label begins so, once the page has opened the first of all."""
    box = page.locator("#rs-picker input")
    expect(box).not_to_have_value("")
    box.click()
    box.fill(words)
    page.get_by_role("option", name=re.compile(f"^{words}")).first.click()
    expect(box).to_have_value(re.compile(f"^{words}"))


def screened(page: Page, version: str) -> Locator:
    """Wait for the table of a finding set, and return its buttons."""
    expect(page.locator(".rs-findings caption")).to_contain_text(version)
    settled(page)  # the table may be the last study's, of the same set
    return page.locator(".rs-findings .rs-go")


def ran(page: Page) -> int:
    """How many planted scripts ran; a frame without scripts cannot even be asked."""
    count: int = page.evaluate("() => window.__ran ?? 0")
    return count


def test_every_tab_is_accessible_in_both_languages_and_keeps_the_study(browser_page: Watched) -> None:
    page = browser_page.open()
    choose(page, "CT head")
    screened(page, "head_ct")
    chosen = page.locator("#rs-picker input").input_value()
    found = {}
    for lang in (0, 1):
        for name in TABS:
            tab(page, name, lang)
            expect(page.locator(f"#rs-tab-{name}")).to_be_visible()
            found[f"{name} {lang}"] = grave(page)
        page.get_by_label("简体中文").check()
        expect(page.locator("#rs-header")).to_contain_text("仅供研究使用")
        expect(page.locator(".rs-findings th").first).to_have_text("征象")
    assert {name: told for name, told in found.items() if told} == {}
    assert page.locator("#rs-picker input").input_value().endswith(chosen[-7:])
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_studies_chosen_faster_than_they_are_screened_end_with_the_last(browser_page: Watched) -> None:
    asked: list[str] = []
    browser_page.page.on("request", lambda one: asked.append(one.post_data or "") if "queue/join" in one.url else None)
    page = browser_page.open()
    for words in ("CT head", "MR", "CT chest", "radiograph chest", "CT head"):
        choose(page, words)
    screened(page, "head_ct")
    expect(page.locator("#rs-facts")).to_contain_text("CT head")
    counts = [0]
    while len(counts) < PATIENCE // 2000 and counts[-1] < len(asked):
        counts.append(len(asked))
        page.wait_for_timeout(2000)
    assert counts[-1] == len(asked)  # nothing asks again and again
    modes = page.evaluate(
        """() => window.gradio_config.dependencies
            .filter(one => one.backend_fn && one.targets.some(([, event]) => event === "change"))
            .map(one => one.trigger_mode)"""
    )
    assert len(modes) > 5
    assert set(modes) == {"multiple"}  # two that are `always_last` would defer each other for ever


# Whether a viewer shows any picture.
_DRAWN = """one => {
    const canvas = one.shadowRoot.querySelector(".stage canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, canvas.width, canvas.height).data.some((value, n) => n % 4 !== 3 && value > 0);
}"""

# Writes down what is to be seen as another study is chosen, right after the page's own script was told.
_MOMENTS = f"""() => {{
    window.moments = [];
    document.addEventListener("rs-study", () => {{
        const viewer = document.querySelector(".rs-viewer");
        moments.push({{
            drawn: ({_DRAWN})(viewer),
            written: viewer.shadowRoot.querySelector(".topLeft").textContent,
            findings: [...document.querySelectorAll(".rs-findings")].some((one) => one.checkVisibility()),
        }});
    }});
}}"""


@pytest.mark.parametrize("how", ["late", "never"])
def test_no_other_patients_picture_stands_beside_a_studys_findings(browser_page: Watched, how: str) -> None:
    page = browser_page.open()
    choose(page, "CT head")
    buttons = screened(page, "head_ct")
    viewer = page.locator(".rs-viewer:visible").first
    expect(viewer).to_contain_text(re.compile(r"Slice \d+ of "))
    assert viewer.evaluate(_DRAWN)
    # The head's heat map never comes, and the slices of what is chosen next come late or never.
    page.evaluate(
        """how => {
            const real = window.fetch;
            window.slow = [];
            window.fetch = (what, more) => {
                const address = String(what.url ?? what);
                if (address.endsWith("/heat")) return new Promise(() => {});
                if (!address.includes("/viewer/studies/") || window.released) return real(what, more);
                if (how === "never") return Promise.reject(new TypeError("Failed to fetch"));
                return new Promise((go) => slow.push(() => go(real(what, more))));
            };
        }""",
        how,
    )
    page.evaluate(_MOMENTS)
    buttons.first.click()
    expect(viewer).to_contain_text("Computing the heat map")
    choose(page, "CT chest")
    screened(page, "chest_ct")
    (moment,) = page.evaluate("moments")
    assert moment == {"drawn": False, "written": "", "findings": False}
    assert not viewer.evaluate(_DRAWN)
    expect(viewer).to_contain_text("Loading" if how == "late" else "cannot be shown")
    expect(viewer).not_to_contain_text("Computing the heat map")
    if how == "late":
        page.evaluate("window.released = true; slow.splice(0).forEach((go) => go())")  # the scene; its slice follows
        expect(viewer).to_contain_text(re.compile(r"Slice \d+ of "))
        assert viewer.evaluate(_DRAWN)


def test_a_series_is_brought_screened_and_seen_at_the_key_slice(browser_page: Watched, web_index: WebIndex) -> None:
    page = browser_page.open()
    screened(page, "")
    files = sorted((web_index.studies / "chest_ct_0000").glob("*.dcm"))
    page.locator("#rs-study input[type=file]").set_input_files(files)
    expect(page.locator("#rs-status")).to_contain_text("The study was brought")
    buttons = screened(page, "chest_ct")
    move = json.loads(buttons.first.get_attribute("data-go") or "")[0]
    buttons.first.click()
    seen = page.locator("#rs-tab-screen .rs-viewer, .rs-viewer").first
    expect(seen).to_contain_text(re.compile(rf"Slice {move['z'] + 1} of "))
    expect(seen).to_contain_text(re.compile("Heat map: |No heat map"), timeout=240_000)  # its first map is checked
    expect(page.locator(".rs-findings tr[aria-current=true]")).to_have_count(1)
    page.locator("#rs-screen-words textarea, #rs-screen-words input").fill("气胸, a swallowed coin")
    page.click("#rs-screen-run")
    expect(page.locator(".rs-findings tbody tr")).to_have_count(2)
    expect(page.locator(".rs-findings")).to_contain_text("pneumothorax")
    expect(page.locator("#rs-screen-table details")).to_contain_text("There is no swallowed coin.")


def test_similar_cases_stand_beside_the_study_at_matching_slices(browser_page: Watched) -> None:
    page = browser_page.open()
    choose(page, "CT chest")
    screened(page, "chest_ct")
    tab(page, "similar")
    page.click("#rs-similar-run")
    pair = page.locator(".rs-card .rs-pair").last
    query, case = json.loads(pair.get_attribute("data-go") or "")
    pair.click()
    for move, name in ((query, "This study"), (case, "Similar case")):
        viewer = page.get_by_role("region", name=name, exact=True)
        expect(viewer).to_contain_text(re.compile(rf"Slice {move['z'] + 1} of "))
    expect(page.locator(".rs-card .rs-said").first).to_be_visible()
    expect(page.locator("ul.rs-sentences").first).to_have_css("padding-left", "18px")  # room for bullets, in the card
    page.locator("#rs-similar-contrast textarea, #rs-similar-contrast input").fill("pneumothorax")
    page.click("#rs-similar-run")
    expect(page.locator(".rs-side h3").first).to_contain_text("Nearest with pneumothorax")
    for details in page.locator(".rs-card details").all():
        details.evaluate("one => one.open = true")
    assert ran(page) == 0


def test_a_search_in_chinese_finds_studies_and_sentences_and_opens_one(browser_page: Watched) -> None:
    page = browser_page.open()
    screened(page, "")
    tab(page, "search")
    page.locator("#rs-search-text textarea, #rs-search-text input").fill("胸腔积液")
    page.click("#rs-search-run")
    expect(page.locator(".rs-hit").first).to_be_visible()
    assert page.locator("#rs-search-results tbody tr").count() == 0  # no report of these names an effusion
    last = page.locator(".rs-hit").last
    expect(last).to_contain_text(re.compile("head"))
    expect(last).to_contain_text("not read in such images")  # the effusion's chests come first
    expect(page.locator(".rs-hit").first).not_to_contain_text("not read")
    hit = page.locator(".rs-hit").first
    at = json.loads(hit.get_attribute("data-at") or "")
    hit.click()
    expect(page.locator("#rs-picker input")).to_have_value(re.compile(f"{at['study'][-6:]}$"))
    expect(page.locator(".rs-viewer:visible").first).to_contain_text(re.compile(rf"Slice {at['z'] + 1} of |One image"))
    tab(page, "search")
    page.locator("#rs-search-text textarea, #rs-search-text input").fill("planted onerror script")
    page.click("#rs-search-run")
    expect(page.locator("#rs-search-results tbody")).to_contain_text("Planted")
    assert ran(page) == 0


def test_an_explanation_cites_its_sources_in_a_frame_without_scripts(browser_page: Watched) -> None:
    page = browser_page.open()
    choose(page, "radiograph chest")
    screened(page, "chest_xray")
    tab(page, "explain")
    page.click("#rs-explain-run")
    frame = page.locator("iframe.rs-frame")
    expect(frame).to_have_attribute("sandbox", "", timeout=4 * PATIENCE)
    inside = page.frame_locator("iframe.rs-frame")
    mark = inside.locator("a[href*='#']", has_text=re.compile(r"^\[?S\d+")).first
    expect(mark).to_have_attribute("title", re.compile(r"\w"))
    mark.click()
    expect(inside.locator(":target")).to_have_count(1)
    assert ran(page) == 0


def test_a_model_that_words_an_explanation_is_followed_and_can_be_stopped(browser_page: Watched) -> None:
    page = browser_page.open()
    screened(page, "")
    tab(page, "explain")
    page.locator("#rs-explain-narrator input").click()
    page.get_by_role("option", name="a local language model").click()
    page.click("#rs-explain-run")
    expect(page.locator("#rs-explain-frame progress")).to_be_visible()
    page.click("#rs-explain-stop")
    expect(page.locator("#rs-explain-frame")).to_contain_text("Stopped; nothing was explained.")
    expect(page.locator("#rs-explain-stop")).to_be_hidden()
    page.wait_for_timeout(1500)
    assert page.locator("iframe.rs-frame").count() == 0
    page.click("#rs-explain-run")
    expect(page.locator("#rs-explain-frame progress")).to_be_visible()
    now = page.locator("#rs-picker input").input_value()
    choose(page, "CT chest" if now.startswith("MR") else "MR")  # its explanation was not asked for
    expect(page.locator("#rs-explain-stop")).to_be_hidden()
    expect(page.locator("#rs-explain-frame progress")).to_have_count(0)


def test_a_mask_is_measured_one_that_does_not_fit_is_refused_and_it_can_be_taken_away(
    browser_page: Watched, web_index: WebIndex, tmp_path: Path
) -> None:
    mask = sorted((web_index.studies.parent / "masks").glob("chest_ct_*.nii.gz"))[0]
    kept = nib.load(mask)
    offset = np.eye(4)
    offset[:3, 3] = 1000  # mm
    away = tmp_path / "a_metre_away.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(kept.dataobj), offset @ kept.affine), away)
    page = browser_page.open()
    screened(page, "")
    files = sorted((web_index.studies / mask.name[: len("chest_ct_0000")]).glob("*.dcm"))
    page.locator("#rs-study input[type=file]").set_input_files(files)
    expect(page.locator("#rs-status")).to_contain_text("The study was brought")
    screened(page, "chest_ct")
    page.locator(".rs-mask:visible").first.locator("input[type=file]").set_input_files(mask)
    expect(page.locator(".rs-viewer:visible .regions span")).not_to_have_count(0)
    tab(page, "explain")
    button, inside = page.locator(".rs-mask:visible").first, page.frame_locator("iframe.rs-frame")
    for file, told in ((mask, "volume"), (away, "The mask was not used: ")):
        button.locator("input[type=file]").set_input_files(file)
        expect(button.locator(".rs-mask-name").first).to_have_text(file.name)
        page.click("#rs-explain-run")
        expect(inside.locator("body")).to_contain_text(told, timeout=4 * PATIENCE)
    button.get_by_role("button", name="Without masks").click()
    expect(button.locator(".rs-mask-name").first).to_have_text("")


def test_a_nifti_is_of_what_its_visitor_says(browser_page: Watched, tmp_path: Path) -> None:
    write_nifti(tmp_path / "scan.nii.gz", 1)
    page = browser_page.open()
    screened(page, "")
    for control, said in (("#rs-modality", "CT"), ("#rs-body-part", "head")):
        page.locator(f"{control} input").click()
        page.get_by_role("option", name=said, exact=True).click()
    page.locator("#rs-study input[type=file]").set_input_files(tmp_path / "scan.nii.gz")
    expect(page.locator("#rs-status")).to_contain_text("The study was brought")
    expect(page.locator("#rs-facts")).to_contain_text("CT head")
    screened(page, "head_ct")


def test_what_cannot_be_used_is_said_with_its_code_and_the_session_goes_on(
    browser_page: Watched, tmp_path: Path
) -> None:
    page = browser_page.open()
    screened(page, "")
    (tmp_path / "scan.dcm").write_text("<img src=x onerror=alert(1)>")
    page.locator("#rs-study input[type=file]").set_input_files(tmp_path / "scan.dcm")
    told = page.locator("#rs-status .rs-trouble")
    expect(told).to_have_attribute("data-code", "not_dicom")
    expect(told).to_contain_text("It is named as DICOM and is not.")
    page.locator("#rs-screen-words textarea, #rs-screen-words input").fill("no pneumothorax")
    page.click("#rs-screen-run")
    expect(page.locator("#rs-screen-table .rs-trouble")).to_have_attribute("data-code", "prompt")
    page.locator("#rs-screen-words textarea, #rs-screen-words input").fill("")
    page.click("#rs-screen-run")
    choose(page, "CT head")
    screened(page, "head_ct")


@pytest.mark.real_data
def test_a_scanners_series_is_brought_and_screened(browser_page: Watched) -> None:
    page = browser_page.open()
    screened(page, "")
    files = sorted((DATA / "dicom_orientation" / "ax" / "axasc36").glob("MR.*"))
    page.locator("#rs-study input[type=file]").set_input_files(files)
    expect(page.locator("#rs-status")).to_contain_text(re.compile("brought"))
    expect(page.locator("#rs-picker input")).to_have_value(re.compile("^MR"))
    expect(page.locator(".rs-viewer:visible").first).to_contain_text(re.compile(r"Slice \d+ of "))
    page.locator("#rs-screen-words textarea, #rs-screen-words input").fill("brain tumour")
    page.click("#rs-screen-run")
    expect(page.locator(".rs-findings tbody tr")).to_have_count(1)
    expect(page.locator(".rs-findings .rs-state")).to_be_visible()
