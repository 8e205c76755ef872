"""Eight readers and a writer on one index for five minutes: no error, and no answer of two generations.

    python -m benchmarks.index_readers [--seconds 300] [--readers 8]

The writer adds, replaces, removes, forgets and compacts studies, and notes after each commit what its generation holds.
Every reader is a process: it opens the index and asks for cases, filtered counts, nearest views, slices and sentences,
several times, while the writer goes on. All that it is answered must be what the one generation holds that it has
pinned. A reader that is told that the index was compacted since (`IndexFolderError`) opens it again, which is counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from radseek.retrieval.errors import IndexFolderError
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record, unit

EVERY = 10**6
TIMES = 4  # questions to one opened index
COUNT = 60  # numbers of studies that come and go

Seen = tuple[int, frozenset[tuple[str, int]]]  # generation, and each study with how often it was written


def record(number: int, version: int) -> StudyRecord:
    """One study; its `version` stands in its report and in a column."""
    said = [f"Written {version} times.", "No effusion."]
    column: dict[str, Any] = {"own:version": version}
    return make_record(number, seed=version, views=("lung",), sentences=said, **column)


def write(index: Path, ended: Event, said: Queue[Any]) -> None:
    """Change the index until it is told to end; send what each generation holds."""
    rng, held, before = np.random.default_rng(0), dict.fromkeys(range(COUNT // 2), 0), 1
    try:
        with LocalStore.open(index, read_only=False) as store:
            while not ended.is_set():
                _change(store, rng, held)
                # Forgetting hides in one generation and deletes in the next: both hold the same.
                for generation in range(before + 1, store.generation + 1):
                    said.put(("held", generation, frozenset((key_of("study", n), v) for n, v in held.items())))
                before = store.generation
    except BaseException:  # noqa: BLE001 - counted by whoever started it
        said.put(("error", 0, traceback.format_exc()))


def _change(store: LocalStore, rng: np.random.Generator, held: dict[int, int]) -> None:
    kind = rng.random()
    there = sorted(held)
    if kind < 0.6 or len(there) < 5:
        some = {int(n): held.get(int(n), -1) + 1 for n in rng.integers(0, COUNT, 3)}
        store.add([record(n, v) for n, v in some.items()], replace_existing=True)
        held.update(some)
    elif kind < 0.9:
        out = {int(n) for n in rng.choice(there, 2, replace=False)}
        store.remove([key_of("study", n) for n in out])
        for n in out:
            del held[n]
    elif kind < 0.95:
        store.forget([key_of("study", there[0])])
        del held[there[0]]
    else:
        store.compact()


def read(index: Path, seed: int, ended: Event, said: Queue[Any]) -> None:
    """Ask until it is told to end; send what each answer held."""
    query = unit(np.random.default_rng(seed), 1)
    while not ended.is_set():
        try:
            with LocalStore.open(index) as store:
                for _ in range(TIMES):
                    said.put(("seen", store.generation, _answers(store, query)))
        except IndexFolderError:
            said.put(("sent back", 0, None))
        except BaseException:  # noqa: BLE001 - counted by whoever started it
            said.put(("error", 0, traceback.format_exc()))


def _answers(store: LocalStore, query: Any) -> dict[str, frozenset[tuple[str, int]]]:
    """Return of each way of asking the studies that it found; with versions where the answer has them."""
    cases = store.cases()
    versions = {case.key: int(case.attributes["own:version"]) for case in cases}
    every = Scope(Where.parse(["version=0-"], {"version": True}))

    def known(keys: Any) -> frozenset[tuple[str, int]]:
        return frozenset((key, versions.get(key, -1)) for key in keys)

    hits = store.search_sentences(query[0], "written", EVERY)
    return {
        "cases": frozenset(versions.items()),
        "reports": frozenset((case.key, int((case.report or "").split()[1])) for case in cases),
        "filtered": known(store.study_keys(every)),
        "views": known(hit.study for hit in store.search_views("lung", query, EVERY)[0]),
        "filtered views": known(hit.study for hit in store.search_views("lung", query, EVERY, every)[0]),
        "slices": known(hit.study for hit in store.search_slices(query[0], EVERY)),
        "sentences": frozenset((h.study, int(h.text.split()[1])) for h in hits if h.text.startswith("Written")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--readers", type=int, default=8)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    said, ended = context.Queue(), context.Event()
    with tempfile.TemporaryDirectory(prefix="radseek-readers-") as folder:
        index = Path(folder) / "a.index"
        with LocalStore.create(index, tiny_spec()) as store:
            store.add([record(n, 0) for n in range(COUNT // 2)])
            first = (store.generation, frozenset((key_of("study", n), 0) for n in range(COUNT // 2)))
        ours = [context.Process(target=write, args=(index, ended, said))]
        ours += [context.Process(target=read, args=(index, n, ended, said)) for n in range(options.readers)]
        for process in ours:
            process.start()
        held, seen, counts = _collected(said, ours, ended, options.seconds, first)
        with LocalStore.open(index) as store:
            store.verify()
    mixed = Counter(way for at, answer in seen for way, found in answer.items() if held.get(at) != found)
    print(
        f"{options.readers} readers, 1 writer, {options.seconds:.0f} s: {len(held)} generations, {len(seen)} times "
        f"asked in {len({at for at, _ in seen})} of them, {counts['sent back']} sent back by a compaction; "
        f"errors: {counts['error']}; answers of no one generation: {dict(mixed) or 0}"
    )


def _collected(
    said: Any, ours: list[Any], ended: Event, seconds: float, first: Seen
) -> tuple[dict[int, Any], list[Any], Counter[str]]:
    held: dict[int, Any] = dict([first])
    seen, counts = [], Counter[str]()
    ends = float("inf")  # counted from the first answer: starting takes its time
    while any(process.is_alive() for process in ours) or not said.empty():
        if time.monotonic() > ends:
            ended.set()
        try:
            kind, generation, value = said.get(timeout=0.2)
        except queue.Empty:
            continue
        counts[kind] += 1
        if kind == "held":
            held[generation] = value
        elif kind == "seen":
            ends = min(ends, time.monotonic() + seconds)
            seen.append((generation, value))
        elif kind == "error":
            print(value)
    return held, seen, counts


if __name__ == "__main__":
    main()
