"""How often a question of the page stays without its answer: `python -m benchmarks.page_answers URL [--pages 15]`.

URL is a running page on an index of phantoms: `radseek demo --no-browser`. Each page is opened anew and asked four
questions (screen, similar cases, search, explanation), one close on the other. Prints the pages that waited for ever.
"""

from __future__ import annotations

import argparse

from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import sync_playwright

from benchmarks.web_screenshots import CHROMIUM, explain, first_chest, search, similar

PATIENCE = 60_000  # ms
APART = 300  # ms between an answer and the next question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--pages", type=int, default=15)
    asked = parser.parse_args()
    waited = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for n in range(asked.pages):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(PATIENCE)
            page.goto(asked.url)
            for question in (first_chest, similar, search, explain):
                try:
                    question(page)
                except PlaywrightTimeoutError:
                    waited.append(f"page {n}: {question.__name__}")
                    break
                page.wait_for_timeout(APART)
            page.close()
        browser.close()
    print(f"{len(waited)} of {asked.pages} pages waited for an answer that did not come; {waited}")


if __name__ == "__main__":
    main()
