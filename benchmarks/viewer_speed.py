"""From a reader's input to the painted slice, in chromium: a CT of 512 x 512 x 160, served by our own routes.

    python -m benchmarks.viewer_speed [--steps 60] [--slices 160]

A step is a real wheel event (through the browser's own input, not a call); its time is from the event's timestamp to
the end of the frame that draws the slice. `jump` goes where nothing was fetched ahead. `open` is from asking for a
study whose files were read to its first slice. The volume is noise in a body, so nothing compresses or repeats.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from statistics import median, quantiles

import numpy as np
from playwright.sync_api import Page, sync_playwright

from radseek.app.session import Session
from radseek.retrieval.imaging.orientation import spacing_zyx, to_display
from radseek.retrieval.types import Provenance, Series, Study, Volume
from tests.viewer_support import bare_app, served

CHROMIUM = os.environ.get("RADSEEK_CHROMIUM", "/usr/bin/chromium")
BAR = 50.0  # ms, at the median
PAUSE = 60  # ms between steps: 16 slices a second is brisk reading

# Times from an event's timestamp to just after the frame in which the viewer painted.
CLOCK = """() => {
  const viewer = window.oneViewer;
  window.times = [];
  let began = null;
  addEventListener("wheel", (event) => (began ??= event.timeStamp), { capture: true, passive: true });
  window.beginNow = () => (began = performance.now());
  viewer.onslice(() => {
    const from = began;
    began = null;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => from === null || window.times.push(performance.now() - from);
    port2.postMessage(0); // handled once the frame is out
  });
}"""


def ct(slices: int) -> Study:
    """A chest CT of noise, 0.7 x 0.7 x 2 mm."""
    rng = np.random.default_rng(20261122)
    voxels = rng.normal(40, 25, (slices, 512, 512)).astype(np.int16)
    y, x = np.indices((512, 512))
    voxels[:, ((y - 256) / 200) ** 2 + ((x - 256) / 240) ** 2 > 1] -= 1040
    shown = to_display(voxels, np.diag([0.7, 0.7, 2.0, 1.0]))
    spacing = None if shown.affine is None else spacing_zyx(shown.affine)
    volume = Volume(shown.voxels, shown.affine, "HU", Provenance("none", spacing=spacing, plane=shown.plane))
    return Study("1.2.512", "5" * 64, (), (Series("1.2.512.1", "CT", "chest", "noise", volume),))


def steps(page: Page, count: int) -> list[float]:
    """Times in ms of `count` notches of the wheel over the image, half of them each way."""
    page.locator("#one .stage").hover()
    page.evaluate("window.times.length = 0")
    for n in range(count):
        page.mouse.wheel(0, 100 if n < count // 2 else -100)
        page.wait_for_timeout(PAUSE)
    page.wait_for_timeout(500)
    return list(page.evaluate("window.times"))


def jumps(page: Page, count: int, slices: int) -> list[float]:
    """Times in ms to slices far from each other, none fetched ahead: the cache is emptied before each."""
    page.evaluate("window.times.length = 0")
    for n in range(count):
        page.evaluate(
            "() => { const { store } = oneViewer.viewer; store.queue = []; store.kept.clear(); store.bytes = 0; }"
        )
        page.evaluate("(k) => { beginNow(); oneViewer.viewer.goTo(k); }", (37 * (n + 1)) % slices)
        page.wait_for_timeout(400)
    return list(page.evaluate("window.times"))


def measure(page: Page, key: str, count: int, slices: int) -> dict[str, list[float]]:
    """Times in ms by what was done, on a page of `bare_app`."""
    page.goto(page.url)
    page.wait_for_function("window.isReady")
    opened = page.evaluate(
        """async (study) => {
          const from = performance.now();
          const viewer = mountViewer("one", {});
          await new Promise((drawn) => (viewer.onslice(drawn), viewer.show({ study })));
          return performance.now() - from;
        }""",
        key,
    )
    page.evaluate(CLOCK)
    page.wait_for_timeout(1000)
    times = {
        "open": [opened],
        "step, axial": steps(page, count),
        "jump, axial": jumps(page, max(3, count // 6), slices),
    }
    for plane in ("coronal", "sagittal"):
        page.evaluate("(plane) => oneViewer.show({ plane })", plane)
        page.wait_for_timeout(1000)
        times[f"step, {plane}"] = steps(page, count)
    return times


def summary(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in ms, and how many."""
    high = quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return {"median_ms": round(median(times), 1), "p95_ms": round(high, 1), "count": len(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--slices", type=int, default=160)
    asked = parser.parse_args()
    with Session.open(None, "random") as session, served(bare_app(session)) as base, sync_playwright() as playwright:
        key = session.upload(ct(asked.slices))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.goto(base)
        times = measure(page, key, asked.steps, asked.slices)
        browser.close()
    load = round(os.getloadavg()[0], 1)
    found = {name: summary(values) for name, values in times.items()}
    print(json.dumps({"volume": [asked.slices, 512, 512], "load_1min": load, **found}, indent=2))
    late = [name for name, one in found.items() if name.startswith("step") and one["median_ms"] > BAR]
    print(f"bar {BAR:.0f} ms at the median: " + (f"missed by {', '.join(late)}" if late else "held"))


if __name__ == "__main__":
    main()
