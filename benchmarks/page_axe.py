"""axe-core on every state of the page, both themes, three sizes: python -m benchmarks.page_axe FOLDER.

FOLDER is where `page_archive` is, or is made. Every violation counts, of whatever weight. With `--pictures DIR` each
state is kept as a picture. Exit code 1 where there is a violation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.page_archive import ACCESSION, make_archive
from benchmarks.page_hand import LANGS, SIZES, VIEWER, part_button, part_in_menu, serving, tab_button
from tests.web_support import CHROMIUM, settled

PATIENCE = 300_000  # ms: the map of an archive is laid out by UMAP, which compiles first
THEMES = ("light", "dark")
State = tuple[str, Callable[[Page], None]]


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
)


def visit(
    browser: Browser, base: str, theme: str, size: str, asked: argparse.Namespace
) -> Iterator[tuple[str, list[str]]]:
    """Go through the states in one window; yield each with what axe says of it."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=LANGS["en"],
        color_scheme="light" if theme == "light" else "dark",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(base, wait_until="domcontentloaded")
    expect(page.locator(".rs-findings caption")).to_be_visible()
    for name, go in STATES:
        if asked.states and name not in asked.states and name not in ("opened",):
            continue
        go(page)
        settled(page)
        found = Axe().run(page).response["violations"]
        if asked.pictures:
            page.screenshot(path=asked.pictures / f"{name}-{size}-{theme}.png")
        yield name, [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}" for one in found]
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=list(THEMES))
    parser.add_argument("--states", nargs="+", choices=[name for name, _ in STATES])
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    count = bad = 0
    folder = asked.folder.resolve()
    archive = make_archive(folder)
    with sync_playwright() as playwright, serving(archive, folder / "served-axe") as (base, _):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for size in asked.sizes:
            for theme in asked.themes:
                for name, found in visit(browser, base, theme, size, asked):
                    count, bad = count + 1, bad + len(found)
                    sys.stdout.write(f"{size} {theme} {name}: {'; '.join(found) or 'none'}\n")
                    sys.stdout.flush()
        browser.close()
    sys.stdout.write(f"{count} states, {bad} violations\n")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
