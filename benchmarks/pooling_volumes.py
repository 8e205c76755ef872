"""Phantom volumes for `pooling_table`: every slice of every view as an encoder takes it, kept on disk.

    python -m benchmarks.pooling_volumes --folder /tmp/radseek-pooling --train 120 --test 60

Seeds are nobody else's: towers are taught on seeds below 60,000 (`training/phantom_cache.py`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.reports.phantom_reports import write_report
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.imaging.views.series_views import iter_views
from training.phantom_cache import PREPROCESS, engine_series

KINDS = ("chest_ct", "head_ct", "brain_mr")
FIRST_SEED = {"train": 60_000, "test": 960_000}


@dataclass(frozen=True, eq=False)
class PhantomVolume:
    """One phantom: `slices (N, S, S)` uint8 of all views one after another, and where each view begins and ends."""

    kind: str
    seed: int
    slices: NDArray[np.uint8]
    views: tuple[tuple[str, int, int], ...]
    report: str
    labels: dict[str, int]


def plan(part: str, count: int) -> Iterator[tuple[str, int]]:
    """Yield kinds in turn with a fresh seed each, `count` in all."""
    for number in range(count):
        yield KINDS[number % len(KINDS)], FIRST_SEED[part] + number


def volume(folder: Path, kind: str, seed: int, preprocess: Preprocess = PREPROCESS) -> PhantomVolume:
    """Read a volume back, or render it now (seconds)."""
    path = folder / f"{kind}-{seed}-{preprocess.size}.npz"
    if not path.is_file():
        _render(path, kind, seed, preprocess)
    with np.load(path) as kept:
        about = json.loads(str(kept["about"]))
        views = tuple((str(name), int(start), int(end)) for name, start, end in about["views"])
        return PhantomVolume(kind, seed, kept["slices"], views, about["report"], about["labels"])


def _render(path: Path, kind: str, seed: int, preprocess: Preprocess) -> None:
    phantom = make_phantom(kind, seed)
    views, slices, start = [], [], 0
    for item in phantom.series:
        for view in iter_views(engine_series(item)):
            # All of these towers' channels are the same grey one, so one of the three is kept.
            slices.append(prepare_slices(view.slices, preprocess)[:, 0])
            views.append((view.name, start, start + len(slices[-1])))
            start = views[-1][2]
    report = write_report(phantom, np.random.default_rng([seed, 9173]))
    about = {"views": views, "report": str(report), "labels": phantom.labels}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part.npz")
    np.savez_compressed(draft, slices=np.concatenate(slices), about=json.dumps(about))
    draft.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/radseek-pooling"))
    parser.add_argument("--train", type=int, default=120)
    parser.add_argument("--test", type=int, default=60)
    chosen = parser.parse_args()
    wanted = [("test", chosen.test), ("train", chosen.train)]
    todo = sorted(
        ((n / count, kind, seed) for part, count in wanted for n, (kind, seed) in enumerate(plan(part, count)))
    )
    for _, kind, seed in todo:  # both parts grow together, so an early stop leaves a usable share of each
        started = time.monotonic()
        found = volume(chosen.folder, kind, seed)
        print(
            f"{time.strftime('%H:%M:%S')} {kind} {seed}: {len(found.slices)} slices, "
            f"{time.monotonic() - started:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
