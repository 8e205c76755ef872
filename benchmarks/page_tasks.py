"""Ten tasks of a day's work, done in chromium by script: `make page`, or python -m benchmarks.page_tasks FOLDER.

 1. find last week's chest CT by its accession number
 2. compare it with its prior, both at one place in mm
 3. export the table of findings
 4. find a case by a sentence
 5. from a sentence of a report to the key slice of what it says
 6. more like this case
 7. judge a worklist of five by key, and export the labels
 8. add a study, and see it
 9. change the window, and measure a distance
10. share a link that opens the same slice

Each is done at three sizes and in two languages, on a page opened anew by a `radseek serve` of its own archive
(`page_archive`). Counted are clicks and taps, drags, and keys pressed (a text typed counts once); seconds run from the
page that stands to the task done. A task that cannot be done says why. With `--pictures DIR` each ends in a picture.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from benchmarks.page_archive import TriedArchive, make_archive
from benchmarks.page_hand import LANGS, PATIENCE, SIZES, VIEWER, Hand, opened, serving
from tests.web_support import CHROMIUM

JUDGED = 5
NEAR = 2.6  # mm: half the distance of the phantoms' slices
SENTENCES = {"en": "there is a pneumothorax on the left", "zh": "左侧气胸"}
TERMS = {"en": "pneumothorax", "zh": "气胸"}


def find_by_accession(hand: Hand) -> None:
    """Task 1."""
    hand.open_recent()
    expect(hand.page.locator(".rs-findings caption")).to_contain_text("chest_ct")


def compare_with_prior(hand: Hand) -> None:
    """Task 2: both viewers at one place, after a few slices too."""
    hand.open_recent()
    hand.click("#rs-prior button.rs-prior-show")
    own, prior = hand.drawn(0), hand.drawn(1)
    own.locator(".stage").focus()
    for _ in range(5):
        hand.press("ArrowRight")
    expect(prior.locator(".topRight")).to_contain_text("mm")
    hand.page.wait_for_timeout(400)
    expect(prior.locator(".message")).to_be_hidden()  # "Loading…", where the machine is busy
    places = [_millimetres(one.locator(".topRight").inner_text()) for one in (own, prior)]
    assert abs(places[0] - places[1]) <= NEAR, f"apart by {places[0] - places[1]:.1f} mm"


def export_table(hand: Hand) -> None:
    """Task 3."""
    expect(hand.page.locator(".rs-findings tbody tr").first).to_be_visible()
    rows = list(csv.reader(io.StringIO(hand.save("#rs-screen-table [data-do=csv]"))))
    assert len(rows) == 2 + hand.page.locator(".rs-findings tbody tr").count()


def find_by_sentence(hand: Hand) -> None:
    """Task 4: a case whose report says it is opened."""
    hand.tab("search")
    hand.write("#rs-search-text textarea, #rs-search-text input", SENTENCES[hand.lang])
    hand.press("Enter")
    expect(hand.page.locator("#rs-search-results .rs-hit").first).to_be_visible()
    button = hand.page.locator("#rs-search-results table .rs-go").first
    study = button.get_attribute("data-open") or ""
    hand.click(button)
    expect(hand.page.locator("#rs-picker input")).to_have_value(re.compile(f"{study[-6:]}$"))
    hand.drawn()
    with hand.archive.labels.open(newline="") as file:
        said = {(row["path"], row["finding"]): row["label"] for row in csv.DictReader(file)}
    name = _named(hand, study)
    assert said[f"studies/{name}", "pneumothorax"] == "1", f"{name} has none"


def sentence_to_slice(hand: Hand) -> None:
    """Task 5: the slice shown is the key slice of the finding that the sentence names."""
    hand.tab("search")
    hand.write("#rs-search-text textarea, #rs-search-text input", TERMS[hand.lang])
    hand.press("Enter")
    button = hand.page.locator("#rs-search-results table .rs-go[data-at]").first
    expect(button).to_be_visible()
    place = json.loads(button.get_attribute("data-at") or "{}")
    hand.click(button)
    expect(hand.drawn().locator(".topRight")).to_contain_text(re.compile(rf"\b{place['z'] + 1}\b"))


def more_like_this(hand: Hand) -> None:
    """Task 6: from a case to its own neighbours."""
    hand.tab("similar")
    hand.click("#rs-similar-run")
    more = hand.page.locator("#rs-similar-cards [data-tab=similar]").first
    expect(more).to_be_visible()
    key = more.get_attribute("data-open") or ""
    hand.click(more)
    expect(hand.page.locator("#rs-picker input")).to_have_value(re.compile(f"{key[-6:]}$"))
    expect(hand.page.locator("#rs-similar-cards .rs-card").first).to_be_visible()
    assert hand.page.locator(f"#rs-similar-cards .rs-card [data-open='{key}']").count() == 0


def judge_worklist(hand: Hand) -> None:
    """Task 7."""
    hand.tab("archive")
    hand.part("worklist")
    hand.click("#rs-work-run")
    expect(hand.page.locator("#rs-work-table tbody tr").first).to_be_visible()
    hand.tab("screen")
    strip = hand.page.locator(".rs-work-strip")
    expect(strip).to_be_visible()
    hand.press("j")
    for n in range(JUDGED):
        expect(hand.page.locator(".rs-work-strip[aria-busy=false]")).to_have_count(1)
        with hand.page.expect_response("**/archive/verdict") as kept:
            hand.press("ynuyy"[n])
        assert kept.value.ok
    rows = list(csv.DictReader(io.StringIO(hand.save(strip.locator("a[href$='labels.csv']")))))
    assert len(rows) == JUDGED - 1, rows  # one was unsure


def add_a_study(hand: Hand) -> None:
    """Task 8: it is in the archive, and its images are seen."""
    hand.tab("archive")
    hand.part("add")
    hand.click("#rs-add-keep label")
    with hand.page.expect_file_chooser() as asked:
        hand.click("#rs-add-files button, button#rs-add-files")
    asked.value.set_files(sorted(hand.archive.to_add.rglob("*.dcm")))
    opened = hand.page.locator("#rs-add-status [data-open]").first
    expect(opened).to_be_visible()
    hand.click(opened)
    expect(hand.page.locator(".rs-findings caption")).to_contain_text("chest_ct")
    hand.drawn()


def window_and_length(hand: Hand) -> None:
    """Task 9."""
    stage = hand.drawn().locator(".stage")
    stage.focus()
    choice = hand.page.locator(VIEWER).first.locator("label.window select")
    before = choice.input_value()
    hand.press("2")
    expect(choice).not_to_have_value(before)
    hand.press("m")
    stage.scroll_into_view_if_needed()
    box: Any = stage.bounding_box()
    hand.drag(box, (0.4, 0.5), (0.6, 0.5))
    expect(stage).to_have_attribute("aria-label", re.compile(r"\d+\.\d mm"))


def share_a_link(hand: Hand) -> None:
    """Task 10: a stranger with the link sees the same slice in the same window."""
    viewer = hand.drawn()
    viewer.locator(".stage").focus()
    hand.press("ArrowRight")
    hand.press("ArrowRight")
    hand.page.wait_for_timeout(400)
    hand.click("#rs-link [data-do=copy-link]")
    link = hand.page.evaluate("navigator.clipboard.readText()")
    shown = [viewer.locator(name).inner_text() for name in (".topRight", ".bottomLeft")]
    other = hand.page.context.new_page()
    other.goto(link)
    there = other.locator(VIEWER).first
    for name, text in zip((".topRight", ".bottomLeft"), shown, strict=True):
        expect(there.locator(name)).to_have_text(text, use_inner_text=True)
    other.close()


TASKS: tuple[Callable[[Hand], None], ...] = (
    find_by_accession, compare_with_prior, export_table, find_by_sentence, sentence_to_slice,
    more_like_this, judge_worklist, add_a_study, window_and_length, share_a_link,
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A task, where it was done, and what it took; `why`: "" where it was done."""

    task: str
    size: str
    lang: str
    clicks: int
    drags: int
    keys: int
    seconds: float
    why: str


def _millimetres(text: str) -> float:
    letter, number = re.findall(r"([LRPAHF]) ([\d.]+) mm", text)[0]
    return float(number) * (1 if letter in "LPH" else -1)


def _named(hand: Hand, key: str) -> str:
    """Return the folder of a study that the page's own list tells."""
    asked = {"words": key, "lang": "en"}
    found = hand.page.request.post(f"{hand.page.url.split('#')[0]}archive/studies", data=asked).json()
    return Path(found["rows"][0]["path"]).name


def one(task: Callable[[Hand], None], page: Page, archive: TriedArchive, size: str, lang: str) -> Done:
    """Do one task on a page."""
    hand, began, why = Hand(page, archive, lang), time.perf_counter(), ""
    try:
        task(hand)
    except (Error, AssertionError) as error:
        why = " ".join(str(error).split())[:160] or type(error).__name__
    seconds = round(time.perf_counter() - began, 1)
    return Done(task.__name__, size, lang, hand.clicks, hand.drags, hand.keys, seconds, why)


def round_of(browser: Browser, archive: TriedArchive, size: str, lang: str, asked: argparse.Namespace) -> list[Done]:
    """Do the tasks at one size in one language, on a server of their own."""
    done = []
    with serving(archive, asked.folder / "served") as (base, served):
        opened(browser, base, size, lang).context.close()  # the server is warm for whoever comes first
        for task in TASKS:
            if asked.tasks and task.__name__ not in asked.tasks:
                continue
            page = opened(browser, base, size, lang)
            done.append(one(task, page, served, size, lang))
            sys.stdout.write(f"{json.dumps(asdict(done[-1]), ensure_ascii=False)}\n")
            sys.stdout.flush()
            if asked.pictures:
                page.screenshot(path=asked.pictures / f"{task.__name__}-{size}-{lang}.png")
            page.context.close()
    return done


def table(done: list[Done]) -> str:
    """Return what was done as a Markdown table: a row a task, clicks + drags + keys and the longest time."""
    lines = ["| task | clicks + drags + keys | seconds, least to most | done |", "|---|---|---|---|"]
    for name in dict.fromkeys(row.task for row in done):
        rows = [row for row in done if row.task == name]
        good = [row for row in rows if not row.why]
        hand = sorted({f"{row.clicks} + {row.drags} + {row.keys}" for row in good}) or ["-"]
        times = sorted(row.seconds for row in good)
        spread = f"{times[0]} to {times[-1]}" if times else "-"
        lines.append(f"| {name.replace('_', ' ')} | {', '.join(hand)} | {spread} | {len(good)} of {len(rows)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the archive is, or is made")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--langs", nargs="+", choices=LANGS, default=list(LANGS))
    parser.add_argument("--tasks", nargs="+", choices=[task.__name__ for task in TASKS])
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    asked.folder = asked.folder.resolve()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    archive = make_archive(asked.folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        done = [
            row for size in asked.sizes for lang in asked.langs for row in round_of(browser, archive, size, lang, asked)
        ]
        browser.close()
    sys.stdout.write(f"{table(done)}\nload {os.getloadavg()[0]:.1f}\n")
    sys.exit(any(row.why for row in done))


if __name__ == "__main__":
    main()
