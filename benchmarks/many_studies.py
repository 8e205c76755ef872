"""An index of many small studies as `radseek build` writes it, and what opening and asking it costs.

    python -m benchmarks.many_studies FOLDER [--studies 100000] [--rounds 15]

FOLDER/many.index is made, commit by commit of as many studies as `build` commits (32), through `LocalStore.add`; one
that is there is measured as it is. A study has 4 slice vectors in one or two views and a report of 4 sentences;
vectors are made up as in `similar_speed`.
The measuring runs in a process of its own under `ulimit -n 256`. Printed: build s, open ms, search ms, descriptors.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.similar_speed import RANK, name_of, unit
from radseek.index_builder.build import SEGMENT_STUDIES
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Linkage, Scope, SeriesRecord, StudyRecord
from radseek.retrieval.types import ViewVectors

DESCRIPTORS = 256
BAR_OPEN, BAR_DESCRIPTORS = 100.0, 100
# modality, body part, view names (4 slice vectors among them); eight in ten are small volumes, as in a mixed archive
KINDS = (
    ("CT", "chest", ("lung", "soft")),
    ("CT", "head", ("brain", "subdural")),
    ("MR", "head", ("mr_t1", "mr_t2")),
    ("CT", "chest", ("lung", "soft")),
    ("DX", "chest", ("radiograph",)),
)
PLACES = tuple(
    f"{side} {part}"
    for side in ("left", "right")
    for part in ("upper lobe", "lower lobe", "hilum", "apex", "base", "pleura", "hemisphere", "frontal lobe", "kidney")
)
WHAT = ("nodule", "mass", "effusion", "haemorrhage", "infarct", "fracture", "cyst", "consolidation", "calcification")
FORMS = (
    "There is a {n} mm {what} in the {place}.",
    "No {what} is seen in the {place}.",
    "The {what} in the {place}, {n} mm before, is unchanged.",
    "Possible {what} near the {place}, {n} mm.",
)


class Maker:
    """Makes studies; the same number gives the same study."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        rng = np.random.default_rng(11)
        names = dict.fromkeys((m, name) for m, _, views in KINDS for name in views)
        self.means = {name: unit(rng.standard_normal(dim)) for name in names}
        self.ways = {name: unit(rng.standard_normal((RANK, dim))) for name in names}
        self.words = {word: unit(rng.standard_normal(dim)) for word in (*PLACES, *WHAT, *FORMS)}

    def records(self, first: int, end: int) -> Iterator[StudyRecord]:
        for number in range(first, end):
            yield self._record(number)

    def _record(self, number: int) -> StudyRecord:
        rng = np.random.default_rng([13, number])
        modality, body_part, names = KINDS[number % len(KINDS)]
        count = 4 // len(names)
        lean = 0.25 * rng.standard_normal(RANK)
        views = []
        for name in names:
            about = (modality, name)
            noise = 0.4 * rng.standard_normal((count, self.dim)) / np.sqrt(self.dim)
            slices = unit(self.means[about] + lean @ self.ways[about] + noise)
            position = tuple((0.0, 0.0, 5.0 * i) for i in range(count)) if modality != "DX" else ()
            pooled = unit(slices.mean(axis=0)).astype(np.float16)
            z = np.arange(count, dtype=np.int32)
            views.append(ViewVectors(name, "", slices.astype(np.float16), pooled, z, position))
        series = SeriesRecord(
            key=name_of("series", number),
            modality=modality,
            body_part=body_part,
            views=tuple(views),
            unit="HU" if modality == "CT" else "raw",
            shape=(count, 256, 256),
            spacing=(5.0, 1.0, 1.0),
            provenance={"rescale": "rescale", "warnings": []},
        )
        sentences, directions = [], []
        for form in rng.permutation(len(FORMS)):
            what, place = WHAT[rng.integers(len(WHAT))], PLACES[rng.integers(len(PLACES))]
            sentences.append(FORMS[form].format(what=what, place=place, n=rng.integers(2, 99)))
            directions.append(self.words[what] + self.words[place] + 0.7 * self.words[FORMS[form]])
        noise = 0.5 * rng.standard_normal((len(sentences), self.dim)) / np.sqrt(self.dim)
        return StudyRecord(
            key=name_of("study", number),
            patient_key=name_of("patient", number // 2),
            source_path=f"{number // 1000:03d}/{number:06d}",
            attributes={
                "modality": modality,
                "body_part": body_part,
                "sex": "FM"[number % 2],
                "age": 20 + number % 60,
                "year": 2010 + number % 14,
                "manufacturer": "synthetic",
            },
            series=(series,),
            report=" ".join(sentences),
            sentences=tuple(sentences),
            sentence_vectors=unit(np.stack(directions) + noise).astype(np.float16),
            linkage=Linkage(f"1.2.3.{number}", f"p{number // 2}", f"A{number}", (f"{number:06d}",)),
        )


def build(index: Path, studies: int) -> float:
    """Write the index commit by commit, and say how far it is now and then; returns seconds."""
    started = time.perf_counter()
    encoder = load_encoder()
    with LocalStore.create(index, encoder.spec) as store:
        maker = Maker(encoder.spec.dim)
        for first in range(0, studies, SEGMENT_STUDIES):
            store.add(maker.records(first, min(first + SEGMENT_STUDIES, studies)))
            if first % (100 * SEGMENT_STUDIES) == 0:
                print(f"  {first:7d} studies, {time.perf_counter() - started:6.0f} s", flush=True)
    return time.perf_counter() - started


def timed(ask: Callable[[], object]) -> float:
    """Return wall milliseconds."""
    started = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - started)


def measure(index: Path, rounds: int) -> int:
    """Print what opening and asking costs in this process, allowed 256 descriptors; 1 where a bar is missed."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    before = len(os.listdir("/proc/self/fd"))
    opened: list[LocalStore] = []
    open_ms = timed(lambda: opened.append(LocalStore.open(index)))
    (store,) = opened
    with store:
        again = []
        for _ in range(rounds):
            with LocalStore.open(index) as other:
                other.close()
            again.append(timed(lambda: LocalStore.open(index).close()))
        rng = np.random.default_rng(3)
        studies = store.counts()["studies"]
        keys = [name_of("study", int(n) // len(KINDS) * len(KINDS)) for n in rng.integers(0, studies, rounds + 1)]
        queries = [next(v for v in store.slice_vectors(key) if v.view == "lung").pooled[None] for key in keys]
        only = Scope(Where.parse(["sex=F"]))
        asks: tuple[tuple[str, Callable[[int], object]], ...] = (
            ("vectors of a study", lambda n: store.slice_vectors(keys[n])),
            ("views like one", lambda n: store.search_views("lung", queries[n], 10)),
            ("views like one, sex=F", lambda n: store.search_views("lung", queries[n], 10, only)),
            ("best slice for words", lambda n: store.search_slices(queries[n][0], 10)),
            ("sentences for words", lambda n: store.search_sentences(queries[n][0], "nodule left apex", 10)),
        )
        print(f"  open: first {open_ms:.0f} ms, median {median(again):.0f} ms (bar {BAR_OPEN:.0f})")
        for what, ask in asks:
            first, *later = [timed(partial(ask, n)) for n in range(rounds + 1)]
            print(f"  {what:24s} first {first:8.0f} ms   median {median(later):8.1f} ms", flush=True)
        with Engine.open(index) as engine:
            for what, where in (("similar", ()), ("similar, sex=F", ("sex=F",))):
                first, *later = [timed(partial(engine.similar, key, where=where)) for key in keys]
                print(f"  {what:24s} first {first:8.0f} ms   median {median(later):8.1f} ms", flush=True)
        held = len(os.listdir("/proc/self/fd")) - before
        segments = len(list((index / "segments").iterdir()))
        print(f"  descriptors held: {held} (bar {BAR_DESCRIPTORS}), of {DESCRIPTORS}; {segments} segment folders")
    return int(median(again) > BAR_OPEN or held > BAR_DESCRIPTORS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    index: Path = options.folder / "many.index"
    if options.measure:
        return measure(index, options.rounds)
    if not is_index(index):
        print(f"{options.studies} studies, {SEGMENT_STUDIES} a commit", flush=True)
        print(f"  built in {build(index, options.studies):.0f} s", flush=True)
    used = sum(file.stat().st_size for file in index.rglob("*") if file.is_file())
    print(f"{index}: {used / 1e9:.2f} GB", flush=True)
    command = [sys.executable, "-m", "benchmarks.many_studies", str(options.folder), "--measure"]
    return subprocess.run([*command, "--rounds", str(options.rounds)], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
