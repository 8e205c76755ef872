"""The viewer in a browser: what stands where on the screen, what moves it, what it says."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from benchmarks.viewer_speed import CLOCK, steps
from radseek.app.session import Session
from radseek.demo.phantoms.make import make_phantom
from radseek.demo.viewer.window_choices import Preset
from radseek.retrieval.engine import Engine
from radseek.retrieval.imaging.orientation import spacing_zyx, to_display
from radseek.retrieval.imaging.views.windows import window
from radseek.retrieval.types import Provenance, Series, Study, Volume
from tests.viewer_support import bare_app, heat_of, served

pytest_plugins = ["tests.web_support"]  # its browser, which all browser tests share

PAYLOAD = "<img src=x onerror=\"window.ran='description'\"><script>window.ran='script'</script>"

_WRITTEN = """(visibility) => document.querySelectorAll("#one, #two").forEach((one) => one.shadowRoot?.querySelectorAll(
    ".corner, .edge, .scale").forEach((each) => (each.style.visibility = visibility)))"""


def study_of(name: str, *series: tuple[NDArray[Any], NDArray[np.float64] | None, str, str]) -> Study:
    made = []
    for n, (voxels, affine, modality, description) in enumerate(series):
        shown = to_display(voxels, affine)
        unit = "HU" if modality == "CT" else "raw"
        spacing = None if shown.affine is None else spacing_zyx(shown.affine)
        volume = Volume(shown.voxels, shown.affine, unit, Provenance("none", spacing=spacing, plane=shown.plane))
        made.append(Series(f"{name}.{n}", modality, "chest", description, volume))
    return Study(name, "0" * 64, (), tuple(made))


def boxes(count: int, gap: float) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """A body of 0 HU in air, with a small bright box at the patient's left, in front, near the head."""
    voxels = np.full((count, 60, 60), -1000, np.int16)
    voxels[:, 10:50, 10:50] = 0
    voxels[-3:-1, 12:20, 40:48] = 1000
    affine = np.diag([2.0, 2.0, gap, 1.0])
    affine[:3, 3] = (-60.0, -60.0, 100.0)
    return voxels, affine


@pytest.fixture(scope="module")
def phantom() -> tuple[Study, NDArray[np.bool_]]:
    """A chest with a mass in the left lung (a truth of the phantom, not of any code here), and its mask."""
    made = make_phantom("chest_ct", 41, findings=("lung_mass",))
    (lesion,) = made.lesions
    assert lesion.side == "left"
    scan = made.series[0]
    return study_of("1.2.41", (scan.voxels, scan.affine, "CT", "chest")), lesion.mask


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, phantom: tuple[Study, object]) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("RADSEEK_KEY", "viewer tests, viewer tests")
        with Session.open(None, "random") as opened:
            yield opened


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch, _own_home: None) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "viewer tests, viewer tests")


@pytest.fixture(scope="module")
def base(session: Session) -> Iterator[str]:
    with served(bare_app(session)) as address:
        yield address


@pytest.fixture
def page(context: BrowserContext, base: str) -> Iterator[Page]:
    """A page with nothing but viewers, under a policy that allows no inline script; it must not complain."""
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    context.on(
        "request",
        lambda asked: None if asked.url.startswith((base, "data:", "blob:")) else complaints.append(asked.url),
    )
    opened.goto(base)
    opened.wait_for_function("window.isReady")
    yield opened
    assert complaints == []


@pytest.fixture(scope="module")
def upload(session: Session) -> Callable[[Study], str]:
    """Bring a study once."""
    keys: dict[str, str] = {}

    def uploaded(study: Study) -> str:
        if study.uid not in keys:
            keys[study.uid] = session.upload(study)
        return keys[study.uid]

    return uploaded


def mount(page: Page, what: dict[str, Any], place: str = "one") -> Locator:
    """Mount a viewer, show something, and wait until it is drawn."""
    lang = what.pop("lang", "en")
    page.evaluate("([place, lang]) => void mountViewer(place, { lang })", [place, lang])
    page.evaluate("([place, what]) => window[place + 'Viewer'].show(what)", [place, what])
    settle(page, place)
    return page.locator(f"#{place}")


def settle(page: Page, place: str = "one") -> None:
    """Wait until the slice wanted is the slice drawn."""
    page.wait_for_function(
        "(place) => { const v = window[place + 'Viewer'].viewer; return v.shown && !v.frame && v.shown.k === v.k "
        "&& v.shown.planeName === v.planeName && v.shown.series === v.series && v.place; }",
        arg=place,
    )


def state(page: Page, expression: str, place: str = "one") -> Any:
    return page.evaluate(f"(place) => {{ const v = window[place + 'Viewer'].viewer; return {expression}; }}", place)


def seen(viewer: Locator) -> NDArray[np.int64]:
    """The stage as it is painted, RGB."""
    picture = Image.open(io.BytesIO(viewer.locator(".stage").screenshot())).convert("RGB")
    return np.asarray(picture).astype(np.int64)


def slice_only(page: Page, viewer: Locator) -> NDArray[np.int64]:
    """The part of the stage that the plane covers, without what is written over it; its edge may cover half a pixel."""
    page.evaluate(_WRITTEN, "hidden")
    place = state(page, "v.place")
    x, y, width, height = (round(place[name]) for name in ("x", "y", "width", "height"))
    drawn = seen(viewer)[y + 1 : y + height - 1, x + 1 : x + width - 1]
    page.evaluate(_WRITTEN, "")
    return drawn


def test_a_lesion_of_the_left_is_on_the_right_of_the_screen(
    page: Page, upload: Callable[[Study], str], phantom: tuple[Study, NDArray[np.bool_]]
) -> None:
    study, mask = phantom
    z, y, x = (int(np.median(axis)) for axis in np.nonzero(mask))
    viewer = mount(page, {"study": upload(study), "view": "soft", "z": z})
    assert viewer.locator(".edge").all_inner_texts() == ["R", "L", "A", "P"]
    drawn = slice_only(page, viewer)
    mass, mirrored = (_around(drawn, y, column, mask.shape[1:]) for column in (x, mask.shape[2] - 1 - x))
    assert x > mask.shape[2] / 2
    assert mass > mirrored + 50

    viewer.get_by_role("button", name="Coronal").click()
    page.evaluate("(k) => oneViewer.viewer.goTo(k)", y)
    settle(page)
    assert viewer.locator(".edge").all_inner_texts() == ["R", "L", "H", "F"]
    drawn = slice_only(page, viewer)
    rows = mask.shape[0]
    mass, mirrored = (_around(drawn, rows - 1 - z, at, (rows, mask.shape[2])) for at in (x, mask.shape[2] - 1 - x))
    assert mass > mirrored + 50


def _around(drawn: NDArray[np.int64], row: float, column: float, shape: tuple[int, ...]) -> float:
    """The mean brightness around a voxel of a plane of that shape, as it is drawn."""
    y = int((row + 0.5) / shape[0] * drawn.shape[0])
    x = int((column + 0.5) / shape[1] * drawn.shape[1])
    return float(drawn[y - 3 : y + 4, x - 3 : x + 4].mean())


@pytest.mark.parametrize(
    ("plane", "letters", "k", "where"),
    [("axial", ["R", "L", "A", "P"], 22, (15, 43)), ("coronal", ["R", "L", "H", "F"], 15, (1.5, 43)),
     ("sagittal", ["A", "P", "H", "F"], 15, (1.5, 15))],
)  # fmt: skip
def test_head_and_front_are_up_and_thick_slices_are_not_squashed(
    page: Page,
    upload: Callable[[Study], str],
    plane: str,
    letters: list[str],
    k: int,
    where: tuple[float, int],
) -> None:
    voxels, affine = boxes(24, 5.0)
    viewer = mount(
        page, {"study": upload(study_of("1.2.24", (voxels, affine, "CT", "box"))), "plane": plane, "view": "soft"}
    )
    page.evaluate("(k) => oneViewer.viewer.goTo(k)", k)
    settle(page)
    assert viewer.locator(".edge").all_inner_texts() == letters
    place = state(page, "v.place")
    wide, high = (120.0, 120.0) if plane == "axial" else (120.0, 24 * 5.0)
    assert place["width"] / place["height"] == pytest.approx(wide / high, rel=1e-6)
    drawn = slice_only(page, viewer)
    shape = (60, 60) if plane == "axial" else (24, 60)
    assert _around(drawn, *where, shape) > 250
    assert _around(drawn, where[0], shape[1] - 1 - where[1], shape) < 110


def test_wheel_keys_and_slider_step_through_slices(page: Page, upload: Callable[[Study], str]) -> None:
    viewer = mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))})
    page.evaluate("() => { window.told = []; oneViewer.onslice((event) => told.push(event)); }")
    corner, stage = viewer.locator(".topRight"), viewer.locator(".stage")
    expect(corner).to_have_text("Axial\nSlice 13 of 24\nH 160.0 mm")
    stage.hover()
    page.mouse.wheel(0, 100)
    expect(corner).to_contain_text("Slice 12 of 24\nH 155.0 mm")  # down is towards the feet
    page.mouse.wheel(0, -100)
    expect(corner).to_contain_text("Slice 13 of")
    stage.focus()
    for key, slice_ in (
        ("ArrowUp", 13),
        ("ArrowDown", 12),
        ("ArrowLeft", 11),
        ("PageDown", 1),
        ("End", 23),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        expect(corner).to_contain_text(f"Slice {slice_ + 1} of")
    slider = viewer.get_by_label("Slice", exact=True)
    slider.fill("7")
    expect(corner).to_contain_text("Slice 8 of")
    expect(slider).to_have_attribute("aria-valuetext", "Slice 8 of 24, H 135.0 mm")
    told = page.evaluate("told[told.length - 1]")
    assert (told["k"], told["z"], told["plane"], told["count"]) == (7, 7, "axial", 24)


def test_level_and_width_by_drag_preset_and_number(page: Page, upload: Callable[[Study], str]) -> None:
    viewer = mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))})
    expect(viewer.get_by_label("Window")).to_have_value("lung")
    expect(viewer.locator(".bottomLeft")).to_have_text("Level −600 · Width 1500\nZoom 100 %")
    box = viewer.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 180, steps=4)
    page.mouse.up()
    assert (state(page, "v.display.level"), state(page, "v.display.width")) == (-700, 1800)
    expect(viewer.locator(".bottomLeft")).to_contain_text("Level −700 · Width 1800")
    expect(viewer.get_by_label("Window")).to_have_value("custom")
    page.keyboard.press("2")
    expect(viewer.locator(".bottomLeft")).to_contain_text("Level 40 · Width 400")
    viewer.get_by_label("Level").fill("0")
    viewer.get_by_label("Width").fill("200")
    viewer.get_by_label("Width").press("Enter")
    assert _around(slice_only(page, viewer), 30, 30, (60, 60)) == 128
    viewer.locator(".stage").dblclick()
    expect(viewer.locator(".bottomLeft")).to_contain_text("Level −600 · Width 1500")


def test_zoom_and_pan(page: Page, upload: Callable[[Study], str]) -> None:
    viewer = mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))})
    before = state(page, "v.place")
    viewer.get_by_role("button", name="Zoom in").click()
    settle(page)
    assert state(page, "v.place.width") == pytest.approx(before["width"] * 1.25)
    viewer.locator(".stage").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function("oneViewer.viewer.look.zoom > 1.5")
    expect(viewer.locator(".topRight")).to_contain_text("Slice 13 of")
    viewer.locator(".stage").focus()
    page.keyboard.press("Shift+ArrowLeft")
    assert state(page, "v.look.panX") == 24
    viewer.get_by_role("button", name="Fit").click()
    settle(page)
    assert state(page, "v.place") == before


# Has the page's fetch answer late (when `held` is called), not at all, or with an error, for addresses of a pattern.
_FETCH = """([pattern, how]) => {
    const [real, which] = [window.fetch, new RegExp(pattern)];
    window.held = [];
    window.fetch = (what, more) => {
        if (!which.test(String(what))) return real(what, more);
        if (how === "late") return new Promise((go) => held.push(() => go(real(what, more))));
        if (how === "offline") return Promise.reject(new TypeError("Failed to fetch"));
        return Promise.resolve(new Response(JSON.stringify({ detail: "It is gone.", reason_code: "unknown_name" }),
            { status: 404 }));
    };
}"""

# What is to be seen of a study: whether anything is drawn, and every word beside the image.
_SEEN = """() => {
    const { at } = oneViewer.viewer;
    const copy = new OffscreenCanvas(at.canvas.width, at.canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(at.canvas, 0, 0);
    const drawn = copy.getImageData(0, 0, at.canvas.width, at.canvas.height).data;
    const beside = [at.topLeft, at.topRight, at.bottomLeft, at.bottomRight, at.sides, at.rulerWords, ...at.edges,
        at.keys, at.legend, at.cautions, at.series].map((one) => one.textContent).join("");
    return [drawn.some((value, n) => n % 4 !== 3 && value > 0), beside, at.stage.getAttribute("aria-label")];
}"""
NOTHING = [False, "", "Image viewer"]


@pytest.mark.parametrize("how", ["late", "offline", "refused"])
@pytest.mark.parametrize("what", ["(/opening)?$", "/(opening$|series/)"])  # a plane may come with the opening
def test_nothing_of_the_last_study_is_seen_from_the_moment_another_is_asked_for(
    page: Page, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch, what: str, how: str
) -> None:
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30)))
    first = upload(study_of("1.2.12", (*boxes(12, 5.0), "CT", "box"), (*boxes(6, 4.0), "MR", "second")))
    last = upload(study_of("1.2.60", (*boxes(60, 2.5), "CT", "thin")))
    viewer = mount(page, {"study": first, "finding": "lung_mass"})
    page.wait_for_function("oneViewer.viewer.heat && oneViewer.viewer.heat.pictures.size === 2")
    assert page.evaluate(_SEEN)[0]
    page.evaluate(_FETCH, [f"/studies/{last}{what}", how])
    assert page.evaluate(f"(study) => {{ void oneViewer.show({{ study }}); return ({_SEEN})(); }}", last) == NOTHING
    told = {"late": "Loading", "offline": "cannot be shown: the server does not answer", "refused": "It is gone."}[how]
    expect(viewer.locator(".message")).to_contain_text(told)
    for act in ("oneViewer.speak('zh'); oneViewer.speak('en')", "oneViewer.viewer.redraw()", "oneViewer.viewer.fit()"):
        page.evaluate(act)
    viewer.locator(".stage").hover()
    page.mouse.wheel(0, 100)
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_timeout(200)  # some frames, in which what was shown before would be drawn again
    drawn, beside, _ = page.evaluate(_SEEN)
    assert not drawn
    assert beside in ("", "1: CT thin (60 \u00d7 60 \u00d7 60)")  # the new study's own, once its scene is here
    assert not viewer.locator(".profile, .keys, .legend, .heat").evaluate_all("all => all.some(one => !one.hidden)")
    if how == "late":
        page.wait_for_function("held.length > 0")
        page.evaluate("held.forEach((go) => go())")
        settle(page)
        assert page.evaluate(_SEEN)[0]
        expect(viewer.locator(".topRight")).to_contain_text("of 60")


def test_a_series_that_cannot_be_read_is_not_shown_as_the_one_before(
    page: Page, upload: Callable[[Study], str]
) -> None:
    study = upload(study_of("1.2.13", (*boxes(12, 5.0), "CT", "box"), (*boxes(6, 4.0), "MR", "second")))
    viewer = mount(page, {"study": study})
    page.evaluate(_FETCH, [f"/{state(page, 'v.scene.series[1].key')}/", "refused"])
    viewer.get_by_label("Series").select_option(index=1)
    expect(viewer.locator(".message")).to_contain_text("cannot be shown")
    assert not page.evaluate(_SEEN)[0]
    viewer.get_by_label("Series").select_option(index=0)
    settle(page)
    assert page.evaluate(_SEEN)[0]
    expect(viewer.locator(".message")).to_be_hidden()


@pytest.mark.parametrize(("how", "why"), [("offline", "the server does not answer"), ("refused", "It is gone.")])
@pytest.mark.parametrize("what", ["/heat$", "/heat/.*/2$"])
def test_a_heat_map_that_does_not_come_leaves_the_images(
    page: Page, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch, what: str, how: str, why: str
) -> None:
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30)))
    page.evaluate(_FETCH, [what, how])
    study = study_of("1.2.12", (*boxes(12, 5.0), "CT", "box"), (*boxes(6, 4.0), "MR", "second"))
    viewer = mount(page, {"study": upload(study), "finding": "lung_mass"})
    expect(viewer.get_by_role("status")).to_contain_text(f"No heat map: {why}")
    expect(viewer.locator(".message")).to_be_hidden()
    assert page.evaluate(_SEEN)[0]


def waited_for(page: Page, holds: Callable[[], bool]) -> None:
    """Let the page work until something holds; fails where it does not come to that."""
    for _ in range(600):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come to that in a minute")


def test_nothing_is_drawn_before_its_style_is_there(page: Page, upload: Callable[[Study], str]) -> None:
    held: list[Route] = []
    page.route("**/viewer.css", lambda route: held.append(route))
    study = upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))
    page.evaluate("void mountViewer('one', {})")
    page.evaluate("(study) => oneViewer.show({ study })", study)
    waited_for(page, lambda: bool(held) and state(page, "!!v.shown"))
    page.wait_for_timeout(200)  # some frames, in which a slice without a style would be drawn
    assert state(page, "[!!v.shown, v.place || null]") == [True, None]
    for route in held:
        route.continue_()
    settle(page)
    assert (state(page, "v.place.height"), state(page, "v.at.stage.clientHeight")) == (460, 460)


def test_the_browser_maps_grey_levels_as_the_engine_does(page: Page) -> None:
    values = np.linspace(-1200, 3000, 999).round().astype(np.int16)
    table = (np.linspace(0, 1, 300) ** 2 * 255).round().astype(np.uint8)
    lookup = table[np.clip(values + 40, 0, 299)]
    wanted = [window(values, level, width, kind) for level, width, kind in (
        (-600, 1500, "LINEAR_EXACT"), (1800.5, 333.3, "LINEAR"), (400, 700, "SIGMOID"))]  # fmt: skip
    displays: list[dict[str, Any]] = [
        Preset("a", -600, 1500).to_dict(), Preset("b", 1800.5, 333.3, "LINEAR").to_dict(),
        Preset("c", 400, 700, "SIGMOID").to_dict(),
        {"function": "TABLE", "level": 0, "width": 1, "table": table.tolist(), "table_first": -40},
    ]  # fmt: skip
    for display, levels in zip(displays, [*wanted, lookup], strict=True):
        for inverted in (False, True):
            script = """async ([display, values]) => {
                const { leveller } = await import("/viewer/pixels.js");
                return values.map(leveller(display));
            }"""
            drawn = page.evaluate(script, [{**display, "inverted": inverted}, values.tolist()])
            apart = np.abs(np.array(drawn) - (255 - levels.astype(int) if inverted else levels))
            # float64 here and float32 there round apart where a value lies between two levels
            assert apart.max() <= 1
            assert (apart > 0).mean() < 0.01


def test_a_slice_no_longer_wanted_does_not_say_that_it_is_being_read(
    page: Page, upload: Callable[[Study], str]
) -> None:
    held: list[Route] = []
    page.route("**/axial/250", lambda route: held.append(route))
    viewer = mount(page, {"study": upload(study_of("1.2.31", (*boxes(300, 1.0), "CT", "box")))})
    page.evaluate("oneViewer.viewer.goTo(250)")
    expect(viewer.locator(".message")).to_be_visible()
    page.evaluate("{ const v = oneViewer.viewer; v.goTo(250); v.goTo(20); }")
    settle(page)
    page.wait_for_timeout(400)  # the patience of the slice that is held, twice over
    assert held
    expect(viewer.locator(".message")).to_be_hidden()
    page.evaluate("oneViewer.viewer.goTo(250)")
    expect(viewer.locator(".message")).to_be_visible()
    for route in held:
        route.continue_()
    settle(page)
    expect(viewer.locator(".message")).to_be_hidden()


def test_a_heat_map_lies_where_it_belongs_and_its_profile_leads_to_slices(
    page: Page, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30)))
    viewer = mount(page, {"study": upload(study_of("1.2.12", (*boxes(12, 5.0), "CT", "box"))), "finding": "lung_mass"})
    page.wait_for_function("oneViewer.viewer.heat && oneViewer.viewer.heat.pictures.size === 2")
    expect(viewer.locator(".topRight")).to_contain_text("Slice 5 of")
    expect(viewer.locator(".topLeft")).to_contain_text("Heat map: lung mass")
    drawn = slice_only(page, viewer)
    coloured = drawn.max(axis=2) - drawn.min(axis=2)
    rows, columns = np.nonzero(coloured > 40)
    assert rows.mean() / drawn.shape[0] == pytest.approx(10.5 / 60, abs=0.03)
    assert columns.mean() / drawn.shape[1] == pytest.approx(30.5 / 60, abs=0.03)
    viewer.get_by_label("Opacity of the heat map").fill("0")
    settle(page)
    grey = slice_only(page, viewer)
    assert (grey.max(axis=2) - grey.min(axis=2)).max() == 0
    viewer.get_by_label("Opacity of the heat map").fill("80")
    viewer.get_by_label("Heat map", exact=True).uncheck()
    settle(page)
    assert np.ptp(slice_only(page, viewer), axis=2).max() == 0
    viewer.get_by_label("Heat map", exact=True).check()
    profile = viewer.locator(".profile")
    expect(profile).to_have_attribute("aria-label", "Margin of each slice for “lung mass”")
    box = profile.bounding_box()
    assert box is not None
    profile.click(position={"x": 8 + 9 / 11 * (box["width"] - 16), "y": 20})
    expect(viewer.locator(".topRight")).to_contain_text("Slice 10 of")
    expect(viewer.locator(".topLeft")).to_contain_text("lung mass, on slices 3, 5 (Axial)")
    viewer.get_by_role("button", name="3", exact=True).click()
    expect(viewer.locator(".topRight")).to_contain_text("Slice 3 of")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (heat_of(spot=(9, 9), passes=False), "No heat map: with randomised weights the map stays much the same"),
        (heat_of(spot=(9, 9), margin=-0.3), "The margin of “effusion under test” is below zero in every slice"),
    ],
)
def test_a_map_that_misleads_is_not_left_alone(
    page: Page, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch, made: Callable[..., Any], said: str
) -> None:
    monkeypatch.setattr(Engine, "heat_map", made)
    study = study_of(f"1.2.{len(said)}.{said[0]}", (*boxes(12, 5.0), "CT", "box"))
    viewer = mount(page, {"study": upload(study), "finding": "effusion under test"})
    expect(viewer.get_by_role("status")).to_contain_text(said)
    expect(viewer.locator(".topRight")).to_contain_text("Slice 5 of")


def test_linked_viewers_scroll_in_millimetres(page: Page, upload: Callable[[Study], str]) -> None:
    page.set_viewport_size({"width": 1100, "height": 1300})
    mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box"))), "z": 20})
    mount(page, {"study": upload(study_of("1.2.60", (*boxes(60, 2.5), "CT", "thin"))), "z": 30}, "two")
    page.evaluate("() => { window.unlink = oneViewer.link(twoViewer); }")
    page.locator("#one .stage").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    settle(page, "two")
    assert (state(page, "v.k"), state(page, "v.k", "two")) == (17, 24)
    page.locator("#two .stage").focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    settle(page)
    assert (state(page, "v.k"), state(page, "v.k", "two")) == (19, 28)
    page.evaluate("unlink()")
    page.keyboard.press("ArrowUp")
    assert (state(page, "v.k"), state(page, "v.k", "two")) == (19, 29)


def test_a_question_mark_shows_every_key_and_the_slices_play(page: Page, upload: Callable[[Study], str]) -> None:
    viewer = mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))})
    viewer.locator(".stage").focus()
    page.keyboard.press("?")
    keys = viewer.get_by_role("dialog")
    expect(keys).to_contain_text("ruler on or off")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.evaluate("oneViewer.speak('zh')")
    viewer.get_by_role("button", name="按键与鼠标").click()
    expect(keys).to_contain_text("窗宽窗位")
    keys.get_by_role("button", name="关闭").click()
    page.evaluate("() => { oneViewer.speak('en'); window.told = []; oneViewer.onslice(({ k }) => told.push(k)); }")
    viewer.locator(".stage").focus()
    page.keyboard.press("End")
    page.keyboard.press("p")
    waited_for(page, lambda: page.evaluate("told.length > 4"))
    page.keyboard.press("ArrowDown")  # whoever steps stops it
    expect(viewer.get_by_role("button", name="Play the slices")).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("told.slice(0, 4)") == [23, 0, 1, 2]  # none is left out, and the last is followed by the first


def test_a_length_is_measured_in_millimetres_and_stays_with_its_slice(
    page: Page, upload: Callable[[Study], str]
) -> None:
    viewer = mount(page, {"study": upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))})
    viewer.get_by_role("button", name="Ruler").click()
    box, place = viewer.locator(".stage").bounding_box(), state(page, "v.place")
    assert box is not None
    x, y = box["x"] + place["x"] + place["width"] * 0.25, box["y"] + place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + place["width"] / 2, y, steps=4)
    page.mouse.up()
    settle(page)
    stage, wide = viewer.locator(".stage"), state(page, "v.shown.plane.columns * v.shown.plane.spacing[2]")
    expect(stage).to_have_attribute("aria-label", re.compile(rf"{wide / 2:.0f}\.\d mm$"))
    level = state(page, "v.display.level")
    page.keyboard.press("ArrowDown")
    settle(page)
    expect(stage).not_to_have_attribute("aria-label", re.compile(r"\d\.\d mm, \d+\.\d mm$"))
    page.keyboard.press("ArrowUp")
    settle(page)
    expect(stage).to_have_attribute("aria-label", re.compile(r"mm, \d+\.\d mm$"))
    page.keyboard.press("Delete")
    settle(page)
    assert state(page, "v.ruler.lines.length") == 0
    assert state(page, "v.display.level") == level  # a drag measures, and leaves the window alone


def test_words_in_chinese_and_nothing_hostile_runs(
    page: Page, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30)))
    study = study_of("1.2.7", (*boxes(12, 5.0), "CT", PAYLOAD), (*boxes(6, 4.0), "MR", "second"))
    viewer = mount(page, {"study": upload(study), "finding": PAYLOAD, "lang": "zh"})
    page.wait_for_function("oneViewer.viewer.heat")
    expect(viewer.get_by_role("button", name="冠状面")).to_be_visible()
    expect(viewer.get_by_text("仅供研究使用，不是医疗器械。")).to_be_visible()
    expect(viewer.locator(".topLeft")).to_contain_text("<img src=x")
    assert viewer.locator("img, script").count() == 0
    page.evaluate("() => oneViewer.speak('en')")
    expect(viewer.get_by_role("button", name="Coronal")).to_be_visible()
    expect(viewer.locator(".topRight")).to_contain_text("Slice 5 of")
    viewer.get_by_label("Series").select_option(index=1)
    settle(page)
    expect(viewer.locator(".topRight")).to_contain_text("of 6")
    assert page.evaluate("window.ran") is None


def test_a_late_answer_does_not_replace_what_was_asked_last(page: Page, upload: Callable[[Study], str]) -> None:
    first = upload(study_of("1.2.24", (*boxes(24, 5.0), "CT", "box")))
    last = upload(study_of("1.2.60", (*boxes(60, 2.5), "CT", "thin")))
    held: list[Route] = []
    asked = re.compile(rf"/viewer/studies/{re.escape(first)}(/opening)?$")
    page.route(asked, lambda route: held.append(route))
    page.evaluate("void mountViewer('one', {})")
    page.evaluate("([a, b]) => { void oneViewer.show({study: a}); void oneViewer.show({study: b}); }", [first, last])
    waited_for(page, lambda: bool(held) and state(page, "v.scene?.study") == last)
    settle(page)
    with page.expect_response(asked):
        held[0].continue_()
    page.wait_for_timeout(200)  # some frames, in which the late answer would be taken up
    settle(page)
    assert state(page, "v.scene.study") == last
    expect(page.locator("#one .topRight")).to_contain_text("of 60")


def test_a_radiograph_without_geometry_says_what_it_does_not_know(page: Page, upload: Callable[[Study], str]) -> None:
    voxels = np.linspace(0, 4000, 50 * 40).reshape(1, 50, 40).astype(np.int16)
    study = study_of("1.2.1", (voxels, None, "DX", "chest"))
    viewer = mount(page, {"study": upload(study)})
    expect(viewer.get_by_text("Sides not given by the file")).to_be_visible()
    expect(viewer.get_by_text("Scale unknown")).to_be_visible()
    assert viewer.get_by_role("button", name="Coronal").count() == 0
    assert not viewer.locator(".slider").is_visible()
    sided = replace(study.series[0], uid="1.2.1.9", attributes={"PatientOrientation": "L\\F", "PixelSpacing": "1\\2"})
    viewer = mount(page, {"study": upload(replace(study, uid="1.2.1.8", series=(sided,)))})
    assert viewer.locator(".edge").all_inner_texts() == ["R", "L", "H", "F"]
    assert state(page, "v.place.width / v.place.height") == pytest.approx(80 / 50)


def test_the_page_says_when_there_is_nothing_to_show(
    page: Page, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "pixels", lambda key: None)
    monkeypatch.setattr(session, "opening_slice", lambda key: None)
    page.evaluate("() => { mountViewer('one', {}); return oneViewer.show({ study: '2.25.99' }); }")
    expect(page.locator("#one .message")).to_have_text("The images cannot be shown: their files have moved or are gone")


def test_a_step_is_drawn_soon(page: Page, upload: Callable[[Study], str]) -> None:
    """How soon is the benchmark's to measure, on a quiet machine; this holds that each step is drawn and timed."""
    mount(page, {"study": upload(study_of("1.2.60", (*boxes(60, 2.5), "CT", "thin")))})
    page.evaluate(CLOCK)
    times = steps(page, 8)
    assert len(times) == 8
    assert all(0 < one < float("inf") for one in times)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_axe_finds_nothing_serious(
    page: Page, base: str, upload: Callable[[Study], str], monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30), margin=-0.2))
    study = study_of("1.2.7", (*boxes(12, 5.0), "CT", "chest"), (*boxes(6, 4.0), "MR", "second"))
    page.goto(f"{base}/free")  # axe brings inline styles of its own
    page.wait_for_function("window.isReady")
    mount(page, {"study": upload(study), "finding": "lung mass", "lang": lang})
    page.wait_for_function("oneViewer.viewer.heat")
    page.evaluate(Path(AXE_FILE_PATH).read_text("utf8"))
    found = page.evaluate("axe.run(document)")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}] == []
