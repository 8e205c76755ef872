"""What a view takes in Milvus, how quickly it gets there, and whether the answers stay: on milvus-lite, FLAT.

    python -m benchmarks.milvus_speed [--studies 20000] [--rounds 100]

Run it in the environment of `make milvus`. Made-up studies as in `many_studies`, 512 wide. milvus-lite is a library in
Python for trying things: its rates say nothing of a Milvus server, and are printed to show that they were not taken
for one. Ours (making rows, writing files, comparing what is there) are the same for any Milvus.
Printed beside them: what 10^8 and 10^9 views come to by these bytes and rates, a calculation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.many_studies import Maker
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.milvus.import_files import ImportFiles
from radseek.retrieval.index.milvus.milvus_store import MilvusStore, push_index
from radseek.retrieval.index.milvus.view_rows import PinnedViews
from radseek.retrieval.index.store import Scope

DIM = 512
TOGETHER = 2000  # studies a commit
LARGE = (10**8, 10**9)
SCOPES = {
    "all": Scope(),
    "sex=F": Scope(Where.parse(["sex=F"])),
    "age=30-60 modality=CT": Scope(Where.parse(["age=30-60", "modality=CT"])),
    "one study left out": Scope(not_studies=frozenset({"x"})),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index, uri = folder / "bench.index", str(folder / "bench.db")
        build(index, given.studies)
        with LocalStore.open(index) as store:
            views = store.counts()["views"]
        size = sizes(index, folder, uri, views)
        answers(index, uri, given.rounds)
    calculation(size)


def build(index: Path, studies: int) -> None:
    spec = replace(load_encoder("random").spec, dim=DIM)
    with LocalStore.create(index, spec) as store:
        maker = Maker(DIM)
        for first in range(0, studies, TOGETHER):
            store.add(maker.records(first, min(first + TOGETHER, studies)))


def sizes(index: Path, folder: Path, uri: str, views: int) -> dict[str, float]:
    """Push, write files and push again, and print bytes a view and views a second."""
    found: dict[str, float] = {}
    with MilvusStore(index, None) as store:
        pinned = store.pinned_views()
        found["rows"] = views / seconds(lambda: [part.rows() for part in pinned.parts()])
        found["marks"] = views / seconds(lambda: [None for _ in pinned.parts()])
        found["state"] = seconds(lambda: pinned.state)
        written(pinned, folder / "first")  # pays for what is imported once
        found["files"] = views / seconds(lambda: written(pinned, folder / "files"))
    push_index(index, str(folder / "first.db"))  # pays for what is imported and started once
    found["file bytes"] = total(folder / "files") / views
    found["sent"] = views / seconds(lambda: push_index(index, uri))
    found["lite bytes"] = total(Path(uri)) / views
    with LocalStore.open(index, read_only=False) as writer:
        writer.add(Maker(DIM).records(10**6, 10**6 + 100))
    took = seconds(lambda: push_index(index, uri))
    found["compared"] = views / took
    print(f"{views} views, {DIM} wide; bytes a view: vector in the index {2 * DIM}, in Milvus {4 * DIM};")
    print(f"  Parquet for the bulk import {found['file bytes']:.0f}; milvus-lite's folder {found['lite bytes']:.0f}")
    print(f"  made: marks {found['marks']:.0f}/s, rows {found['rows']:.0f}/s, files {found['files']:.0f}/s", end="; ")
    print(f"state hashed {found['state']:.3f} s")
    print(
        f"  sent to milvus-lite {found['sent']:.0f}/s; push of 100 more studies {took:.1f} s, {found['compared']:.0f}/s"
    )
    return found


def written(views: PinnedViews, folder: Path) -> None:
    with ImportFiles(folder, DIM) as files:
        for part in views.parts():
            files.write(part.rows())


def answers(index: Path, uri: str, rounds: int) -> None:
    """Ask both the same, and print how many answers were equal and how long each took."""
    with LocalStore.open(index) as plain, MilvusStore.connect(index, uri) as store:
        keys = plain.study_keys(Scope(Where.parse(["modality=CT", "body_part=chest"])))
        rng = np.random.default_rng(3)
        queries = [
            next(view for view in plain.slice_vectors(keys[at]) if view.view == "lung").pooled[None]
            for at in rng.integers(0, len(keys), rounds)
        ]
        print(f"views named lung: {len(keys)}; k = 10; milliseconds, median of {rounds}")
        for name, scope in SCOPES.items():
            equal, times = 0, {"local": [0.0], "milvus": [0.0]}
            for query in [queries[0], *queries]:  # the first pays for what is read once
                first = timed(lambda: plain.search_views("lung", query, 10, scope), times["local"])  # noqa: B023
                equal += first == timed(lambda: store.search_views("lung", query, 10, scope), times["milvus"])  # noqa: B023
            local, milvus = (median(one[2:]) for one in times.values())
            print(f"  {name:24s} equal {equal} of {rounds + 1}   LocalStore {local:7.2f}   MilvusStore {milvus:7.2f}")


def timed(ask: Callable[[], object], into: list[float]) -> object:
    started = time.perf_counter()
    answer = ask()
    into.append(1000 * (time.perf_counter() - started))
    return answer


def seconds(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def total(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


def calculation(found: dict[str, float]) -> None:
    print("calculation, not a measurement:")
    for views in LARGE:
        there, here, files = ((size * views) / 2**40 for size in (4 * DIM, 2 * DIM, found["file bytes"]))
        hours = views / found["files"] / 3600
        print(f"  {views:.0e} views: vectors {there:.2f} TiB in Milvus, {here:.2f} TiB here;", end=" ")
        print(f"files {files:.2f} TiB in {hours:.1f} h; numbers and marks listed {16 * views / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
