"""The bars of an archive of 100,000 studies of 4 vectors and 400,000 sentences, on two cores.

    python -m benchmarks.archive_speed FOLDER [--studies 100000] [--rounds 15]

FOLDER/many.index is what `benchmarks.many_studies` makes, made here where it is not there. Measured, each in a process
of its own: the first score of a screen of the whole index, from asking to the first row, the finding's words encoded
before (what that takes is printed), and how much memory grew over 2,000 studies; sentence search and filtered
`similar`, the first of a process and the median of later ones, with words (encoded before) or a filter not asked
yet; and `GET /v1/studies` of 100 studies from a server that screens the archive meanwhile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import httpx
import psutil

from benchmarks.many_studies import PLACES, WHAT, build, timed
from radseek.prompts.catalogue import find
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.manifest import is_index

CORES = 2
PORT = 7994
FINDINGS = ("pleural effusion", "lung nodule", "cardiomegaly")
SCREENED = 2000  # studies over which memory is watched
BAR_FIRST, BAR_MEMORY, BAR_SENTENCES, BAR_STUDIES, BAR_SIMILAR = 500.0, 100.0, 150.0, 50.0, 100.0
SERVER = """
import sys, threading, uvicorn
from radseek.app.archive_screening import ArchiveScreening
from radseek.app.session import Session
from radseek.server.server_app import create_app
with Session.open(sys.argv[1]) as session:
    threading.Thread(target=ArchiveScreening(session).run, daemon=True).start()
    uvicorn.run(create_app(session), port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def tell(what: str, value: float, unit: str, bar: float) -> bool:
    """Print a figure beside its bar, and how loaded the machine was; say whether it is held."""
    load = os.getloadavg()[0]
    held = "held" if value <= bar else "MISSED"
    print(f"  {what:56s} {value:8.1f} {unit}   bar {bar:.0f}: {held} (load {load:.1f})", flush=True)
    return value <= bar


def worked(ask: Callable[[], object]) -> tuple[float, float]:
    """Return wall milliseconds, and those that this process computed."""
    before = time.process_time()
    wall = timed(ask)
    return wall, 1000 * (time.process_time() - before)


def screening(index: Path, rounds: int) -> bool:
    """Measure the first score of a screen, and the memory of going on."""
    with Engine.open(index) as engine:
        findings = [find(name) for name in FINDINGS]
        words = timed(lambda: engine.screen(next(iter(engine.store.cases(limit=1))).key, findings[:1]))  # type: ignore[union-attr]
        print(f"  encoding the first finding's words, and one stored study's score alone: {words:.0f} ms")
    with Engine.open(index) as engine:
        engine._texts.pair(findings[0])
        engine._texts.kinds()
        process = psutil.Process()
        before = process.memory_info().rss
        rows = engine.iter_screen(None, findings)
        first, computed = worked(lambda: next(rows))
        print(f"  the first row: {computed:.0f} ms of processor")
        most, started = 0, time.perf_counter()
        for number, _ in enumerate(islice(rows, SCREENED * len(findings))):
            if number % 300 == 0:
                most = max(most, process.memory_info().rss)
        rate = SCREENED / (time.perf_counter() - started)
        print(f"  then {rate:.0f} studies a second, {len(findings)} findings each")
        good = tell("first score of a screen", first, "ms ", BAR_FIRST)
        return tell("memory it grew by", (most - before) / 2**20, "MiB", BAR_MEMORY) and good


def questions(index: Path, rounds: int) -> bool:
    """Measure sentence search and filtered similar."""
    texts = [f"{WHAT[n % len(WHAT)]} in the {PLACES[n % len(PLACES)]}" for n in range(rounds + 1)]
    filters = [[f"sex={'FM'[n % 2]}", f"age={20 + n}-{60 + n}"] for n in range(rounds + 1)]
    with Engine.open(index) as engine:
        key = next(iter(engine.store.cases(limit=1))).key  # type: ignore[union-attr]
        asks: tuple[tuple[str, Callable[[int], object], float], ...] = (
            ("sentence search", lambda n: engine.search(texts[n], within="reports"), BAR_SENTENCES),
            ("similar with a filter not asked before", lambda n: engine.similar(key, where=filters[n]), BAR_SIMILAR),
        )
        good = True
        for text in texts:
            engine._texts.text(text)
        for what, ask, bar in asks:
            (first, _), *later = [worked(partial(ask, n)) for n in range(rounds + 1)]
            print(
                f"  {what}: the first of a process {first:.0f} ms, later {median(c for _, c in later):.0f} of processor"
            )
            good &= tell(f"{what}, median", median(wall for wall, _ in later), "ms ", bar)
        return good


@contextmanager
def served(index: Path) -> Iterator[str]:
    """Serve an index, screening it meanwhile, in a process of its own."""
    base = f"http://127.0.0.1:{PORT}"
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(index), str(PORT)])
    try:
        for _ in range(600):
            try:
                httpx.get(f"{base}/healthz", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield base
    finally:
        process.terminate()
        process.wait(60)


def listing(index: Path, rounds: int) -> bool:
    """Measure the list of studies beside a screen."""
    with served(index) as base, httpx.Client(base_url=base, timeout=120) as client:
        first = timed(lambda: client.get("/v1/studies").raise_for_status())
        time.sleep(5)  # the screen is on its way
        times = [timed(lambda: client.get("/v1/studies?offset=50").raise_for_status()) for _ in range(4 * rounds)]
    print(f"  GET /v1/studies: the first {first:.0f} ms, longest later {max(times):.0f} ms")
    return tell("GET /v1/studies beside a screen, median", median(times), "ms ", BAR_STUDIES)


PARTS = {"screening": screening, "questions": questions, "listing": listing}


def main() -> int:
    """Measure every part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    index: Path = options.folder / "many.index"
    if options.part:
        return 0 if PARTS[options.part](index, options.rounds) else 1
    if not is_index(index):
        print(f"{options.studies} studies written in {build(index, options.studies):.0f} s", flush=True)
    print(f"{index}, {CORES} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    command = [sys.executable, "-m", "benchmarks.archive_speed", str(options.folder), "--rounds", str(options.rounds)]
    return max([subprocess.run([*command, "--part", part], check=False).returncode for part in PARTS])


if __name__ == "__main__":
    raise SystemExit(main())
