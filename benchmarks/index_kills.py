"""Kill a writer (SIGKILL) at any line or SQL step of what writes an index; then run it again.

    python -m benchmarks.index_kills [--kills 300] [--seed 0] [--action NAME ...]

What writes: add, add with folders merged, replace, adopt an adapter, compact, make the codes of approximate search,
upgrade an index of format 1, forget.

Each writer is a process of its own on a copy of one small index. It dies at a place drawn evenly over all lines of the
index's own code and all steps of SQLite (every 50 instructions) that the action runs through. Looked at then: every
study that was there before opens, verifies, is found and has its vectors, words and path; the action, run again, ends
as it ends undisturbed; and of what was replaced, compacted away or forgotten no byte is left in any file beside or in
the index: its words, keys, identifiers, paths and vectors, and readers' notes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import faiss
import numpy as np
import torch

from radseek.app.forget_study import Named, forget
from radseek.app.verdicts import VerdictLog, make_verdict
from radseek.retrieval.encoders.pooling.slice_pooling import ADAPTER, SlicePooling
from radseek.retrieval.errors import RadseekError, UnknownNameError
from radseek.retrieval.index import make_codes, view_search
from radseek.retrieval.index.catalog import sqlite_file
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.segments import merging
from radseek.retrieval.index.store import StudyRecord
from tests.encoder_support import DIM, tiny_spec
from tests.index_support import KEY, key_of, make_format_1, make_record

WATCHED = ("retrieval/index/", "retrieval/disk_errors", "radseek/app/forget_study", "radseek/app/verdicts")
EVERY = 50  # SQLite instructions between two places to die
OLD = tuple(range(6))
MANY = tuple(range(200, 220))  # codes are learned from 16 rows at least
NEW = (100, 101, 102)
GONE = 2
WORD = "quagga"  # stands in the report of the study that goes
NOTE = "okapi"  # stands in a reader's note on it


def record(number: int, seed: int = 0) -> StudyRecord:
    word = WORD if (number, seed) == (GONE, 0) else "nodule"
    return make_record(number, seed=seed, sentences=[f"A {word} of {number} mm.", "No pneumothorax."])


def make_template(folder: Path) -> Path:
    """Make the index that every writer gets a copy of, in two segments, with verdicts and an adapter beside it."""
    index = folder / "t.index"
    with LocalStore.create(index, tiny_spec(), KEY) as store:
        store.add([record(number) for number in OLD[:4]])
        store.add([record(number) for number in OLD[4:]])
    log = VerdictLog(index)
    shown: dict[str, Any] = {"state": "present", "score": 0.5, "probability": None, "encoder": "e"}
    for number in (1, GONE):
        note = NOTE if number == GONE else "zebra"
        log.append(make_verdict(key_of("study", number), "nodule", "agree", note=note, **shown))
    SlicePooling(DIM).save(folder / ADAPTER)
    return index


def add(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        left = [n for n in NEW if not store.contains([key_of("study", n)])]
        for number in left:
            store.add([record(number)])


def merge(index: Path) -> None:
    with mock.patch.object(merging, "_FAN", 2):  # two folders of a size become one
        add(index)


def codes(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        store.keep_codes()


def upgrade(index: Path) -> None:
    LocalStore.open(index, read_only=False).close()


def replace(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        store.add([record(GONE, seed=9)], replace_existing=True)
        store.compact()


def adopt(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        store.adopt_pooling(index.parent / ADAPTER)


def compact(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        if store.contains([key_of("study", GONE)]):
            store.remove([key_of("study", GONE)])
        store.compact()


def forget_patient(index: Path) -> None:
    with suppress(UnknownNameError):  # the killed run had ended
        forget(index, [Named("patient", patient=key_of("patient", f"p{GONE}"), patient_id=f"p{GONE}")])


def add_many(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        store.add([record(number) for number in MANY])


def prepare(action: str, index: Path) -> None:
    """Make of the template's copy what an action needs."""
    if action == "codes":
        add_many(index)
    elif action == "upgrade":
        make_format_1(index)


ACTIONS: dict[str, Callable[[Path], None]] = {
    "add": add,
    "merge": merge,
    "codes": codes,
    "upgrade": upgrade,
    "replace": replace,
    "adopt": adopt,
    "compact": compact,
    "forget": forget_patient,
}


def run_until(action: Callable[[Path], None], index: Path, step: int) -> int:
    """Run an action in a process that dies at its `step`-th place; return how many places it passed (0: it died)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _counted(action, index, step, write)
    os.close(write)
    with os.fdopen(read) as passed:
        text = passed.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the writer ended with {code}")
    return int(text or 0)


def _counted(action: Callable[[Path], None], index: Path, step: int, write: int) -> None:
    passed = 0

    def tick() -> int:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not any(part in frame.f_code.co_filename for part in WATCHED):
            return None
        if event == "line":
            tick()
        return trace

    real = sqlite_file._open

    def opened(path: Path, options: str) -> sqlite3.Connection:
        connection = real(path, options)
        connection.set_progress_handler(tick, EVERY)
        return connection

    sqlite_file._open = opened
    code = 3
    try:
        sys.settrace(trace)
        action(index)
        sys.settrace(None)
        os.write(write, str(passed).encode())
        code = 0
    finally:
        sys.settrace(None)
        if code:
            traceback.print_exc()
        os._exit(code)


def lost(index: Path, untouched: list[int]) -> list[str]:
    """Return what is wrong with the studies that no action touches, and with the index as a whole."""
    with LocalStore.open(index) as store:
        store.verify()
        cases = {case.key: case for case in store.cases()}
        problems = []
        for number in untouched:
            was, case = record(number), cases.get(key_of("study", number))
            if case is None or case.report != was.report or case.path != was.source_path:
                problems.append(f"study {number} is lost or changed")
                continue
            views = store.slice_vectors(case.key)
            good = [np.array_equal(a.slices, b.slices) for a, b in zip(views, was.series[0].views, strict=True)]
            if not all(good):
                problems.append(f"study {number} has other vectors")
            query = was.series[0].views[0].pooled[None].astype(np.float32)
            if store.search_views(was.series[0].views[0].view, query, 1)[0][0].study != case.key:
                problems.append(f"study {number} is not found by its own vector")
    return problems


def left_over(index: Path, action: str) -> list[str]:
    """Return where bytes of the study that goes are left; one that is replaced keeps its names."""
    was = record(GONE)
    traces = [WORD.encode(), was.series[0].views[0].slices[:1].tobytes(), was.series[0].views[0].pooled.tobytes()]
    if action != "replace":
        link = was.linkage
        names = [was.key, was.patient_key, was.series[0].key, link.study_uid, link.accession, *link.paths]
        traces += [one.encode() for one in names]
    files = [one for one in index.rglob("*") if one.is_file()]
    beside = f"{index.stem}.*" if action == "forget" else f"{index.stem}.linkage*"  # only forgetting takes verdicts
    files += [one for one in index.parent.glob(beside) if one.is_file()]
    return [f"{one.name} holds {trace[:30]!r}" for one in files for trace in traces if trace in one.read_bytes()]


def one_kill(action: str, template: Path, step: int) -> list[str]:
    """Kill an action at a step, look, run it again, look; return what is wrong."""
    folder = template.parent / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for one in template.parent.iterdir():
        if one.name != "copy":
            (shutil.copytree if one.is_dir() else shutil.copy2)(one, folder / one.name)
    index = folder / template.name
    prepare(action, index)
    run_until(ACTIONS[action], index, step)
    return wrong_after(action, index)


def wrong_after(action: str, index: Path) -> list[str]:
    """Look at an index in which an action was cut short, run the action again, look; return what is wrong."""
    going = action in ("replace", "compact", "forget")
    untouched = [n for n in OLD if not (going and n == GONE)]
    try:
        problems = [f"as it was left: {one}" for one in lost(index, untouched)]
        ACTIONS[action](index)
        problems += lost(index, untouched)
        with LocalStore.open(index) as store:
            there = store.contains([key_of("study", n) for n in (*OLD, *NEW)])
        gone = {GONE} if action in ("compact", "forget") else set()
        expected = {*OLD, *NEW} if action in ("add", "merge") else {*OLD} - gone
        if there != {key_of("study", n) for n in expected}:
            problems.append("the action, run again, did not end as it should")
        if going:
            problems += left_over(index, action)
        if action == "forget" and NOTE in VerdictLog(index).path.read_text("utf8"):
            problems.append("a reader's note is left")
        if not linkage_path(index).is_file():
            problems.append("the linkage is gone")
    except RadseekError as error:
        problems = [f"afterwards: {type(error).__name__}: {error}"]
    return problems


def sweep(kills: int, seed: int, folder: Path, actions: Sequence[str] = tuple(ACTIONS)) -> dict[str, Counter[str]]:
    """Return for each action how many kills there were and what went wrong, by what it is."""
    torch.set_num_threads(1)  # a forked process has none of the parent's
    faiss.omp_set_num_threads(1)
    template = make_template(folder)
    rng = np.random.default_rng(seed)
    found: dict[str, Counter[str]] = {}
    each = kills // len(actions)
    for name in actions:
        copy = shutil.copytree(folder, folder.with_name(f"{folder.name}-count"), dirs_exist_ok=True)
        prepare(name, copy / template.name)
        places = run_until(ACTIONS[name], copy / template.name, 0)
        shutil.rmtree(copy)
        edges = np.linspace(1, places + 1, each + 1).astype(int)
        found[name] = Counter(places=places)
        for low, high in pairwise(edges):
            found[name]["kills"] += 1
            for problem in one_kill(name, template, int(rng.integers(low, max(high, low + 1)))):
                found[name][problem] += 1
    return found


@contextmanager
def few_views_have_codes() -> Iterator[None]:
    """Make codes of 20 views, and ask them first."""
    few = ((make_codes, "_LEAST", 20), (view_search, "_FEWEST_TIMES", 1), (view_search, "FIRST", 1))
    with ExitStack() as patches:
        for module, name, value in few:
            patches.enter_context(mock.patch.object(module, name, value))
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--action", choices=tuple(ACTIONS), nargs="+", default=tuple(ACTIONS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="radseek-kills-") as folder, few_views_have_codes():
        (Path(folder) / "t").mkdir()
        found = sweep(options.kills, options.seed, Path(folder) / "t", options.action)
    for name, counts in found.items():
        wrong = {what: n for what, n in counts.items() if what not in ("places", "kills")}
        print(f"{name}: {counts['kills']} kills over {counts['places']:,} places; wrong: {wrong or 'nothing'}")


if __name__ == "__main__":
    main()
