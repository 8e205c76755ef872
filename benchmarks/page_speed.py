"""How long the page lets a reader wait: python -m benchmarks.page_speed FOLDER [--studies 10000] [--slices 500].

In FOLDER the archive of `page_archive` is made where it is not there, and one of many small studies (`many_studies`),
to which the phantoms of the first are added. Printed, in ms: the first paint of the page on the many (the browser's own
first contentful paint, the moment in which the list shows its rows, and the one in which the first study's findings
stand); from a phantom chosen in that list, and read for the first time, to its first slice and to all of its slices
(where its number stands); and the times between frames while a series of 500 slices of 512 x 512 is scrolled.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.many_studies import build
from benchmarks.page_archive import TriedArchive, make_archive
from benchmarks.page_hand import serving
from benchmarks.viewer_speed import CLOCK, ct, summary
from radseek.app.session import Session
from radseek.index_builder.shards.stored_records import stored_records
from radseek.retrieval.index.local_store import LocalStore
from tests.viewer_support import bare_app, served
from tests.web_support import CHROMIUM, settled

PATIENCE = 120_000  # ms
STEPS = 60
PAUSE = 50  # ms between notches of the wheel
CHANGES = 10
RESTS = 300  # ms that a reader looks at the list
# The moment in which something first shows, by the page's own clock.
WATCH = """const SHOWN = { header: '.rs-head', rows: '.rs-list-row .rs-list-said', findings: '.rs-findings caption' };
window.shown = {};
new MutationObserver(() => {
  const now = performance.now();
  for (const [name, what] of Object.entries(SHOWN)) {
    if (name in window.shown || !document.querySelector(what)) continue;
    requestAnimationFrame(() => (window.shown[name] ??= now));
  }
}).observe(document, { subtree: true, childList: true });"""
# When something first stands in the viewer's corner after a click, and when it is a slice of the whole study.
CHANGED = """() => { window.changed = {}; const viewer = document.querySelector('.rs-viewer').shadowRoot;
  const [stage, corner] = ['.bottomLeft', '.topRight'].map((one) => viewer.querySelector(one));
  document.addEventListener('click', () => {
    const from = performance.now();
    let gone = false;
    const look = () => {
      const now = performance.now() - from;
      if (!stage.textContent) gone = true;
      if (gone && stage.textContent.includes('%')) {
        window.changed.first ??= now;
        if (!corner.textContent.includes('…')) return void (window.changed.whole = now);
      }
      requestAnimationFrame(look);
    };
    look();
  }, { capture: true, once: true }); }"""
FRAMES = """() => { window.frames_ = []; let last = performance.now();
  const tick = (now) => { window.frames_.push(now - last); last = now; window.ticking && requestAnimationFrame(tick); };
  window.ticking = true; requestAnimationFrame((now) => { last = now; requestAnimationFrame(tick); }); }"""


def paints(browser: Browser, base: str) -> dict[str, float]:
    """Times in ms from the navigation, on the Studies tab, of a server that has answered once."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{base}/#tab=studies", wait_until="domcontentloaded")
    expect(page.locator(".rs-list-row .rs-list-said").first).to_be_visible()
    page.wait_for_timeout(500)
    first = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    shown = page.evaluate("window.shown")
    context.close()
    return {"first_contentful_paint": first, **shown}


def changes(browser: Browser, base: str) -> dict[str, list[float]]:
    """Times in ms from a study chosen in the list to its first slice on the screen, and to the whole study.

    Listed first are the studies with a date, whose images there are; none was read before, but for its thumbnail.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{base}/#tab=studies", wait_until="domcontentloaded")
    page.locator("#rs-list-order").select_option("date")
    page.locator("#rs-list-falling").check()
    times: dict[str, list[float]] = {"first": [], "whole": []}
    for n in range(CHANGES + 1):
        page.locator("#rs-tab-studies-button:visible").first.click()
        row = page.locator(f"#rs-row-{n}")
        expect(row.locator(".rs-list-said")).to_contain_text("-")
        settled(page)
        page.wait_for_timeout(RESTS)
        if not n:  # the viewer is mounted with the first study of a page
            row.click()
            expect(page.locator(".rs-viewer:visible .bottomLeft").first).to_contain_text("%")
            continue
        page.evaluate(CHANGED)
        row.click()
        for _ in range(PATIENCE // 100):
            if page.evaluate("window.changed.whole"):
                break
            page.wait_for_timeout(100)
        for name, moment in page.evaluate("window.changed").items():
            times[name].append(moment)
    context.close()
    return times


def scroll(page: Page, count: int) -> dict[str, list[float]]:
    """Times in ms: between frames while the wheel is turned, and from each notch to its slice."""
    page.locator("#one .stage").hover()
    page.evaluate("window.times.length = 0")
    page.evaluate(FRAMES)
    for n in range(count):
        page.mouse.wheel(0, 100 if n < count // 2 else -100)
        page.wait_for_timeout(PAUSE)
    page.evaluate("window.ticking = false")
    return {"between frames": page.evaluate("window.frames_"), "notch to slice": page.evaluate("window.times")}


def long_series(browser: Browser, slices: int) -> dict[str, list[float]]:
    """Scroll a CT of that many slices of 512 x 512."""
    with Session.open(None, "random") as session, served(bare_app(session)) as base:
        key = session.upload(ct(slices))
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.goto(base)
        page.wait_for_function("window.isReady")
        page.evaluate(
            """(study) => new Promise((drawn) => {
              const one = mountViewer("one", {});
              one.onslice(drawn);
              one.show({ study });
            })""",
            key,
        )
        page.evaluate(CLOCK)
        page.wait_for_timeout(1_000)
        found = scroll(page, STEPS)
        page.close()
    return found


def many(folder: Path, studies: int, with_images: TriedArchive) -> TriedArchive:
    """Return an archive of many small studies and of those of another that can be looked at, made where not there."""
    index, done = folder / "many.index", folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(index, studies)
        with LocalStore.open(with_images.index) as other, LocalStore.open(index, read_only=False) as store:
            store.add(list(stored_records(other)))
        done.touch()
    return replace(with_images, index=index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=500)
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        archive = many(folder / "ten", asked.studies, make_archive(folder))
        with serving(archive, folder / "served-many") as (base, _):
            rounds = [paints(browser, base) for _ in range(4)][1:]
            changed = changes(browser, base)
        painted = {name: round(median(one[name] for one in rounds if name in one)) for name in rounds[0]}
        scrolled = long_series(browser, asked.slices)
        browser.close()
    found = {
        "paint_ms": painted,
        "change_ms": {name: summary(one) for name, one in changed.items()},
        **{name: summary(one) for name, one in scrolled.items()},
    }
    high = quantiles(scrolled["between frames"], n=20)[-1]
    found["frames_p95_ms"] = {"value": round(high, 1)}
    sys.stdout.write(f"{json.dumps(found, indent=2)}\nload {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
