"""axe-core on every state of the page, both themes, three sizes, two languages: python -m benchmarks.page_axe FOLDER.

FOLDER is where `page_archive` is, or is made. Besides what answers look like, the states are those of waiting (answers
held back), of trouble (refused, no server), of nothing there (no hit, no archive), and all folds open. Every violation
counts, of whatever weight. With `--pictures DIR` each state is kept as a picture. Exit code 1 where there is a
violation.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.page_archive import ACCESSION, make_archive
from benchmarks.page_hand import LANGS, SIZES, VIEWER, part_button, part_in_menu, serving, tab_button
from tests.web_support import CHROMIUM, WebIndex, settled
from tests.web_support import serving as empty_page

PATIENCE = 300_000  # ms: the map of an archive is laid out by UMAP, which compiles first
THEMES = ("light", "dark")
EMPTY = "no_archive"
State = tuple[str, Callable[[Page], None]]


@dataclass(frozen=True)
class View:
    """How the page is looked at."""

    size: str
    theme: str
    lang: str

    def __str__(self) -> str:
        return f"{self.size}-{self.theme}-{self.lang}"


def tab(page: Page, name: str) -> None:
    """Go to a tab, wherever its button is."""
    tab_button(page, name).first.click()


def part(page: Page, name: str) -> None:
    """Go to a part of the Archive tab."""
    tab(page, "archive")
    expect(page.locator("#rs-archive-tabs")).to_be_visible()
    if not part_button(page, name).count():
        page.locator("#rs-archive-tabs .overflow-menu > button").click()
        part_in_menu(page, name).click()
    else:
        part_button(page, name).click()


def prior(page: Page) -> None:
    """A study beside an earlier one."""
    tab(page, "studies")
    page.fill("#rs-list-search", ACCESSION)
    expect(page.locator(".rs-list-row")).to_have_count(1)
    page.locator(".rs-list-row").click()
    page.locator(".rs-prior-show").click()
    expect(page.locator(f"{VIEWER} .bottomLeft").nth(1)).to_contain_text("%")


def heat(page: Page) -> None:
    """A finding with its map, or what is said in its place."""
    page.locator(".rs-prior-show:visible").click()
    page.locator(".rs-findings .rs-go").first.click()
    expect(page.locator(f"{VIEWER} .say, {VIEWER} .topLeft").first).to_contain_text(":")


def keys(page: Page) -> None:
    """The map of keys."""
    page.locator(f"{VIEWER} .stage").first.focus()
    page.keyboard.press("?")


def similar(page: Page) -> None:
    """Similar cases."""
    page.keyboard.press("Escape")
    tab(page, "similar")
    page.click("#rs-similar-run")
    expect(page.locator("#rs-similar-cards .rs-card").first).to_be_visible()


def search(page: Page, words: str) -> None:
    """An answer to words."""
    tab(page, "search")
    page.locator("#rs-search-text textarea, #rs-search-text input").fill(words)
    page.click("#rs-search-run")
    expect(page.locator("#rs-search-results .rs-asked, #rs-search-results .rs-trouble").first).to_be_visible()


def explain(page: Page) -> None:
    """An explanation."""
    tab(page, "explain")
    page.click("#rs-explain-run")
    expect(page.locator(".rs-frame")).to_be_visible()


def worklist(page: Page) -> None:
    """The worklist."""
    part(page, "worklist")
    page.click("#rs-work-run")
    expect(page.locator("#rs-work-table tbody tr").first).to_be_visible()


def drawn_map(page: Page) -> None:
    """The map of the archive."""
    part(page, "map")
    page.click("#rs-map-draw")
    expect(page.locator("#rs-map .plotly").first).to_be_visible()


def list_of_none(page: Page) -> None:
    """A list in which nothing is found."""
    tab(page, "studies")
    page.fill("#rs-list-search", "nosuchword")
    expect(page.locator(".rs-list-count")).to_contain_text(re.compile("No study|没有"))


def list_offline(page: Page) -> None:
    """A list whose server is gone."""
    page.route("**/archive/studies", lambda route: route.abort())
    page.fill("#rs-list-search", "chest")
    expect(page.locator(".rs-list-count")).to_contain_text(re.compile("cannot be read|无法读取"))
    page.unroute("**/archive/studies")


def images_waited_for(page: Page) -> None:
    """A study on its way: its images and its findings are not there yet."""
    page.fill("#rs-list-search", "chest")
    expect(page.locator(".rs-list-row .rs-list-said").nth(2)).to_be_visible()
    page.evaluate(HOLD)
    page.locator(".rs-list-row").nth(2).click()
    expect(page.locator(f"{VIEWER} .message").first).to_be_visible()


def images_gone(page: Page) -> None:
    """Images that cannot be shown."""
    page.evaluate("window.release()")
    settled(page)
    page.route("**/viewer/studies/**", lambda route: route.abort())
    tab(page, "studies")
    page.locator(".rs-list-row").nth(1).click()
    expect(page.locator(f"{VIEWER} .message").first).to_contain_text(re.compile("cannot be shown|无法显示"))
    page.unroute("**/viewer/studies/**")


def refused(page: Page) -> None:
    """A question that is refused: a filter that there is not."""
    tab(page, "search")
    page.locator("#rs-search-text textarea, #rs-search-text input").fill("pneumothorax")
    filters = page.locator("#rs-tab-search")
    more = filters.get_by_label(re.compile("^More, as|^更多"))
    if not more.is_visible():
        filters.get_by_role("button", name=re.compile("^(Filters|筛选条件)")).click()
    more.fill("nosuch=filter")
    page.click("#rs-search-run")
    expect(page.locator("#rs-search-results .rs-trouble")).to_be_visible()


def folds(page: Page) -> None:
    """Every fold of the tab that is shown, open."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


STATES: tuple[State, ...] = (
    ("opened", lambda page: None),
    ("list", lambda page: tab(page, "studies")),
    ("prior", prior),
    ("heat", heat),
    ("keys", keys),
    ("similar", similar),
    ("search", lambda page: search(page, "pneumothorax")),
    ("search_nothing", lambda page: search(page, "a banana on a table")),
    ("explain", explain),
    ("map", drawn_map),
    ("worklist", worklist),
    ("strip", lambda page: tab(page, "screen")),
    ("verdicts", lambda page: part(page, "verdicts")),
    ("labels", lambda page: part(page, "labels")),
    ("kept", lambda page: part(page, "kept")),
    ("reading", lambda page: part(page, "reading")),
    ("add", lambda page: part(page, "add")),
    ("about", lambda page: tab(page, "about")),
    ("list_of_none", list_of_none),
    ("list_offline", list_offline),
    ("images_waited_for", images_waited_for),
    ("images_gone", images_gone),
    ("refused", refused),
    ("folds", folds),
    ("screen_folds", lambda page: (tab(page, "screen"), folds(page))[1]),
)
WAITING = ("images_waited_for",)  # nothing settles in them
# Answers of the viewer's routes and of Gradio are held back until `release`.
HOLD = """() => {
  const real = window.fetch;
  const held = [];
  window.fetch = (what, more) => /viewer\\/studies|queue\\/join/.test(String(what.url ?? what))
    ? new Promise((go) => held.push(() => go(real(what, more)))) : real(what, more);
  window.release = () => { window.fetch = real; held.splice(0).forEach((go) => go()); };
}"""


def visit(browser: Browser, base: str, view: View, asked: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Go through the states in one window; yield each with what axe says of it."""
    page = opened(browser, base, view)
    expect(page.locator(".rs-findings caption")).to_be_visible()
    for name, go in STATES:
        if asked.states and name not in asked.states and name not in ("opened",):
            continue
        go(page)
        if name not in WAITING:
            settled(page)
        yield name, faults(page, f"{name}-{view}", asked.pictures)
    page.context.close()


def visit_empty(
    browser: Browser, home: Path, env: dict[str, str], views: list[View], pictures: Path | None
) -> Iterator[tuple[View, list[str]]]:
    """Yield what axe says of a page without an archive."""
    with empty_page(WebIndex(home / "none.index", home, home, env), empty=True) as base:
        for view in views:
            page = opened(browser, base, view)
            expect(page.locator(".rs-empty")).to_be_visible()
            settled(page)
            yield view, faults(page, f"no_archive-{view}", pictures)
            page.context.close()


def opened(browser: Browser, base: str, view: View) -> Page:
    """Open the page in one size, theme and language."""
    width, height = SIZES[view.size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=LANGS[view.lang],
        color_scheme="light" if view.theme == "light" else "dark",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(base, wait_until="domcontentloaded")
    return page


def faults(page: Page, name: str, pictures: Path | None) -> list[str]:
    """Return what axe says of a page as it stands, and keep its picture."""
    found = Axe().run(page).response["violations"]
    if pictures:
        page.screenshot(path=pictures / f"{name}.png")
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}" for one in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=list(THEMES))
    parser.add_argument("--langs", nargs="+", choices=LANGS, default=list(LANGS))
    parser.add_argument("--states", nargs="+", choices=[*(name for name, _ in STATES), EMPTY])
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    folder = asked.folder.resolve()
    archive = make_archive(folder)
    views = [View(size, theme, lang) for lang in asked.langs for size in asked.sizes for theme in asked.themes]
    told: list[list[str]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if not asked.states or EMPTY in asked.states:
            for view, found in visit_empty(browser, folder, archive.env, views, asked.pictures):
                told.append(say(view, EMPTY, found))
        with serving(archive, folder / "served-axe") as (base, _):
            for view in views if asked.states != [EMPTY] else []:
                told += [say(view, name, found) for name, found in visit(browser, base, view, asked)]
        browser.close()
    bad = sum(map(len, told))
    sys.stdout.write(f"{len(told)} states, {bad} violations\n")
    sys.exit(bad > 0)


def say(view: View, name: str, found: list[str]) -> list[str]:
    """Print what was found in a state, and return it."""
    sys.stdout.write(f"{view} {name}: {'; '.join(found) or 'none'}\n")
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    main()
