"""How long `similar` and `screen` of a stored study take over an archive as `radseek build` writes it, and why.

    python -m benchmarks.similar_speed [--studies 10000] [--rounds 15] [--profile]

Vectors are made up, not encoded: each view name has a mean direction, a study moves from it in 24 directions of its
own, and slices follow a smooth curve, so that neighbours are near (cosines of 0.7 to 0.99) as the encoder's are.
Kinds: 4 chest CT (3 views of 48 slices), 2 head CT (3 x 32), 2 brain MR (3 x 26), 2 radiographs in ten. The index
is a real one in a temporary folder, written through `LocalStore` in commits of as many studies as `build` commits (32),
read by the engine with the built-in encoder. "first" pays for what a process reads once (tables, the pooled vectors of
a view name, sums of the blocks of rows that are used); medians are over other studies. 100,000 studies take some 6 GB.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.build import SEGMENT_STUDIES
from radseek.prompts.set_choice import set_for
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import SeriesRecord, StudyRecord
from radseek.retrieval.privacy.pseudonyms import keyed_hash
from radseek.retrieval.types import ViewVectors

KEY = b"b" * 32
RANK = 24  # directions in which studies of one kind differ
BAR_SIMILAR, BAR_SCREEN = 0.200, 0.300
SENTENCES = ("No pleural effusion.", "There is a nodule in the right upper lobe.", "The heart is of normal size.")


@dataclass(frozen=True)
class Kind:
    modality: str
    body_part: str
    series: tuple[tuple[str, ...], ...]  # view names, series by series
    slices: int


CHEST_CT = Kind("CT", "chest", (("lung", "soft", "bone"),), 48)
HEAD_CT = Kind("CT", "head", (("brain", "subdural", "bone"),), 32)
BRAIN_MR = Kind("MR", "head", (("mr_t1",), ("mr_t2",), ("mr_flair",)), 26)
FILM = Kind("DX", "chest", (("radiograph",),), 1)
TEN = (CHEST_CT, CHEST_CT, HEAD_CT, BRAIN_MR, FILM) * 2


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


class Maker:
    """Makes studies; the same number gives the same study."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        rng = np.random.default_rng(5)
        names = dict.fromkeys((kind.modality, name) for kind in TEN for one in kind.series for name in one)
        self.means = {name: unit(rng.standard_normal(dim)) for name in names}
        self.ways = {name: unit(rng.standard_normal((RANK, dim))) for name in names}
        self.curves = {name: unit(rng.standard_normal((2, dim))) for name in names}
        self.sentences = unit(rng.standard_normal((len(SENTENCES), dim))).astype(np.float16)

    def records(self, first: int, end: int) -> Iterator[StudyRecord]:
        for number in range(first, end):
            yield self._record(number, TEN[number % len(TEN)])

    def _record(self, number: int, kind: Kind) -> StudyRecord:
        rng = np.random.default_rng([7, number])
        lean = 0.25 * rng.standard_normal(RANK)
        series = tuple(
            SeriesRecord(
                key=name_of("series", f"{number} {i}"),
                modality=kind.modality,
                body_part=kind.body_part,
                views=tuple(self._view(rng, kind, name, lean) for name in views),
                unit="HU" if kind.modality == "CT" else "raw",
                shape=(kind.slices, 256, 256),
                spacing=(5.0, 1.0, 1.0),
                provenance={"rescale": "rescale", "warnings": []},
            )
            for i, views in enumerate(kind.series)
        )
        return StudyRecord(
            key=name_of("study", number),
            patient_key=name_of("patient", number // 2),
            source_path=f"{number:05d}",
            attributes={"modality": kind.modality, "body_part": kind.body_part, "sex": "FM"[number % 2],
                        "age": 20 + number % 60, "model": "synthetic"},
            series=series,
            report=" ".join(SENTENCES),
            sentences=SENTENCES,
            sentence_vectors=self.sentences,
        )  # fmt: skip

    def _view(self, rng: np.random.Generator, kind: Kind, name: str, lean: NDArray[np.float64]) -> ViewVectors:
        n, about = kind.slices, (kind.modality, name)
        angle = np.linspace(0, np.pi, n)[:, None]
        curve = 0.5 * (np.cos(angle) * self.curves[about][0] + np.sin(angle) * self.curves[about][1])
        noise = 0.4 * rng.standard_normal((n, self.dim)) / np.sqrt(self.dim)
        slices = unit(self.means[about] + lean @ self.ways[about] + curve + noise)
        position = tuple((0.0, 0.0, 5.0 * i) for i in range(n)) if n > 1 else ()
        pooled = unit(slices.mean(axis=0)).astype(np.float16)
        return ViewVectors(name, "", slices.astype(np.float16), pooled, np.arange(n, dtype=np.int32), position)


def name_of(what: str, value: object) -> str:
    return keyed_hash(KEY, what, str(value))


def timed(ask: Callable[[], object]) -> tuple[float, float]:
    """Return wall seconds, and processor seconds: on a machine that others use, only the second is ours."""
    started, used = time.perf_counter(), time.process_time()
    ask()
    return time.perf_counter() - started, time.process_time() - used


def show(what: str, first: tuple[float, float], times: list[tuple[float, float]], bar: float | None) -> bool:
    middle, work = (1000 * median(column) for column in zip(*times, strict=True))
    limit = "" if bar is None else f"  (bar: {1000 * bar:.0f} wall)"
    print(f"  {what:34s} first {1000 * first[0]:8.0f} (cpu {1000 * first[1]:8.0f})"
          f"   median {middle:7.1f} (cpu {work:7.1f}) ms{limit}", flush=True)  # fmt: skip
    return bar is None or middle <= 1000 * bar


def profiled(what: str, ask: Callable[[], object]) -> None:
    profile = cProfile.Profile()
    profile.runcall(ask)
    print(f"\n--- {what}")
    pstats.Stats(profile).sort_stats("cumulative").print_stats(28)


def measure(engine: Engine, studies: int, rounds: int, profile: bool) -> bool:
    good = True
    for kind in (CHEST_CT, HEAD_CT, BRAIN_MR, FILM):
        numbers = [n for n in range(studies) if TEN[n % len(TEN)] is kind][:: max(1, studies // 40)]
        keys = [name_of("study", n) for n in numbers[: rounds + 1]]
        findings = set_for(kind.modality, kind.body_part) or "chest_ct"
        label = f"{kind.modality} {kind.body_part}"
        asks: list[tuple[str, Callable[[str], object], float]] = [
            (f"similar to a stored {label}", engine.similar, BAR_SIMILAR),
            (f"similar, sex=F, {label}", partial(engine.similar, where=["sex=F"]), BAR_SIMILAR),
            (f"screen a stored {label}", partial(engine.screen, findings=findings), BAR_SCREEN),
        ]
        for what, ask, bar in asks:
            if profile and kind is CHEST_CT:
                profiled(f"first: {what}", partial(ask, keys[-1]))
            first = timed(partial(ask, keys[0]))
            good &= show(what, first, [timed(partial(ask, key)) for key in keys[1:]], bar)
            if profile and kind is CHEST_CT:
                profiled(f"later: {what}", partial(ask, keys[1]))
    first = timed(partial(engine.search, "nodule in the right lung"))
    words = ("effusion", "haemorrhage", "tumour", "fracture", "mass")
    show("search a sentence", first, [timed(partial(engine.search, one)) for one in words], None)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    encoder = load_encoder()
    with tempfile.TemporaryDirectory(prefix="radseek-speed-") as folder:
        index = Path(folder) / "speed.index"
        started = time.perf_counter()
        with LocalStore.create(index, encoder.spec) as store:
            maker = Maker(encoder.spec.dim)
            for batch in range(0, options.studies, SEGMENT_STUDIES):
                store.add(maker.records(batch, min(batch + SEGMENT_STUDIES, options.studies)))
        took = time.perf_counter() - started
        folders = len(list((index / "segments").iterdir()))
        print(f"{options.studies} studies, {SEGMENT_STUDIES} a commit, written in {took:.0f} s; {folders} folders")
        started = time.perf_counter()
        with Engine.open(index) as engine:
            print(f"opened in {time.perf_counter() - started:.2f} s", flush=True)
            return 0 if measure(engine, options.studies, options.rounds, options.profile) else 1


if __name__ == "__main__":
    raise SystemExit(main())
