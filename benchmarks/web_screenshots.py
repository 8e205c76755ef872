"""Take the pictures of the page in docs/img: `python -m benchmarks.web_screenshots URL [OUT]`.

URL is a running page on an index of phantoms: `radseek demo --no-browser`. Each picture is 1440 x 900, in 256 colours.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATIENCE = 400_000  # ms
SETTLED = 4_000  # ms, in which a study that is in the index is screened
COLOURS = 256
CHESTS = re.compile("^CT chest")


def main(url: str, out: Path) -> None:
    """Open the page, visit five tabs, and write what they show."""
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        for name, visit in (
            ("screen", screen),
            ("similar", similar),
            ("search", search),
            ("explain", explain),
            ("archive", archive),
        ):
            visit(page)
            page.wait_for_timeout(SETTLED)
            size = keep(page.screenshot(), out / f"web_{name}.png")
            sys.stdout.write(f"{out / f'web_{name}.png'}: {size:,} bytes\n")
        browser.close()


def screen(page: Page) -> None:
    """The first chest CT whose best supported finding is present, with that finding chosen."""
    page.wait_for_selector(".rs-findings")
    page.locator("#rs-picker input").click()
    for n in range(page.get_by_role("option", name=CHESTS).count()):
        choose_chest(page, n)
        page.wait_for_timeout(SETTLED)
        if "present" in page.locator(".rs-findings tbody tr").first.inner_text():
            break
    choose_finding(page)


def first_chest(page: Page) -> None:
    """The first chest CT, with its best supported finding chosen."""
    page.wait_for_selector(".rs-findings")
    choose_chest(page, 0)
    choose_finding(page)


def choose_chest(page: Page, n: int) -> None:
    """Choose the chest CT of that number."""
    page.locator("#rs-picker input").click()
    page.get_by_role("option", name=CHESTS).nth(n).click()
    page.wait_for_selector(".rs-findings caption:has-text('chest_ct')")


def choose_finding(page: Page) -> None:
    """Choose the first finding, and wait for its map."""
    page.locator(".rs-findings .rs-go").first.click()
    expect(page.locator(".rs-viewer:visible")).to_contain_text(re.compile("Heat map: |No heat map"), timeout=PATIENCE)


def similar(page: Page) -> None:
    """The same study beside its nearest case."""
    tab(page, "Similar cases")
    page.click("#rs-similar-run")
    page.locator(".rs-card .rs-pair").first.click()


def search(page: Page) -> None:
    """A question in Chinese."""
    tab(page, "Search")
    page.locator("#rs-search-text textarea, #rs-search-text input").fill("胸腔积液")
    page.click("#rs-search-run")
    page.wait_for_selector(".rs-hit")


def explain(page: Page) -> None:
    """The cited summary."""
    tab(page, "Explain")
    page.click("#rs-explain-run")
    page.wait_for_selector(".rs-frame")


def archive(page: Page) -> None:
    """What is in the archive, and its map."""
    tab(page, "Archive")
    page.click("#rs-map-draw")
    page.wait_for_selector(".js-plotly-plot .scatterlayer")


def tab(page: Page, name: str) -> None:
    """Go to a tab."""
    page.locator("#rs-tabs").get_by_role("tab", name=name, exact=True).first.click()


def keep(picture: bytes, path: Path) -> int:
    """Write a picture in few colours; return its size in bytes."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    return path.stat().st_size


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "docs/img"))
