"""A build in a process of its own, so that its time and its memory are this encoder's alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radseek.index_builder.build import build_index
from radseek.retrieval.errors import WorkerError
from radseek.retrieval.machine_memory import peak_memory

__all__ = ["MeasuredBuild", "measured_build"]


@dataclass(frozen=True, slots=True)
class MeasuredBuild:
    """What building took: `seconds` by the clock, of which studies were added, and the peak memory of the process.

    `studies` that were added, `already` there, `skipped` inputs. `peak_mib`: resident memory of the process that
    encodes and of its largest reader, each at its own peak; None where the system does not say.
    """

    index: str
    studies: int
    already: int
    slices: int
    skipped: int
    seconds: float
    peak_mib: float | None

    @property
    def slices_per_second(self) -> float | None:
        """Return how many slices were read and encoded a second; None where none was."""
        return self.slices / self.seconds if self.slices and self.seconds else None


def measured_build(sources: Sequence[Path], index: Path, model: str, settings: dict[str, Any]) -> MeasuredBuild:
    """Build an index with an encoder, in a new process. `settings`: as for `build_index`, whose errors it raises.

    Raises `WorkerError` where that process is killed.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        try:
            return pool.submit(_built, [str(one) for one in sources], str(index), model, settings).result()
        except BrokenProcessPool as error:
            raise WorkerError(
                f"The build with {model} ended without a word, as where memory runs out. What it committed stays in "
                f"{index}: give it more memory, or leave this encoder out, and run the same again."
            ) from error


def _built(sources: list[str], index: str, model: str, settings: dict[str, Any]) -> MeasuredBuild:
    report = build_index(sources, index, model=model, **settings)
    peak = peak_memory()
    return MeasuredBuild(
        index=index,
        studies=report.studies,
        already=report.already,
        slices=report.slices,
        skipped=len(report.skipped),
        seconds=report.seconds,
        peak_mib=None if peak is None else round(peak / (1 << 20), 1),
    )
