"""Phantoms of fresh seeds as heat map benchmarks want them: a finding, the view that scores it, and where it lies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import FINDINGS, Phantom
from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.scoring.margins import is_read_in, volume_margins
from radseek.retrieval.scoring.text_vectors import TextPair, finding_vectors
from radseek.retrieval.types import Series, View, ViewVectors
from training.phantom_cache import engine_series

FIRST_SEED = 930_000
KINDS = ("chest_ct", "head_ct", "brain_mr", "chest_xray")


@dataclass(frozen=True, eq=False)
class Drawn:
    """A focal finding drawn in one phantom.

    `margins (N,)`: of the view that scores it; `mask (Z, Y, X)`: of all its lesions; `size_mm`: of the largest;
    `spacing` mm (Z, Y, X).
    """

    kind: str
    seed: int
    finding: Finding
    pair: TextPair
    view: View
    margins: NDArray[np.float64]
    mask: NDArray[np.bool_]
    size_mm: float
    spacing: tuple[float, float, float]

    def best_row(self) -> int:
        """Return the view's row that the engine names as key slice."""
        return int(self.margins.argmax())

    def best_row_in_lesion(self) -> int | None:
        """Return the row of the highest margin among slices that hold the lesion; None where the view has none."""
        held = np.flatnonzero(self.mask[self.view.z].any(axis=(1, 2)))
        return int(held[self.margins[held].argmax()]) if len(held) else None

    def distance_mm(self, z: int, y: float, x: float, *, in_slice: bool) -> float:
        """Return mm from a voxel to the nearest one of the mask, in its slice or in the volume."""
        mask = self.mask[z][None] if in_slice else self.mask
        where = np.argwhere(mask) - np.array([0 if in_slice else z, y, x])
        return float(np.sqrt(((where * np.array(self.spacing)) ** 2).sum(1)).min()) if len(where) else float("inf")


def drawn_findings(encoder: Any, kinds: Sequence[str], studies: int, first: int = FIRST_SEED) -> Iterator[Drawn]:
    """Yield the focal findings of `studies` phantoms a kind, study by study, kinds in turn."""
    pairs = {kind: _pairs(encoder, kind) for kind in kinds}
    for seed in range(first, first + studies):
        for kind in kinds:
            started = time.monotonic()
            yield from _of_phantom(encoder, make_phantom(kind, seed), pairs[kind])
            print(f"{kind} {seed}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _pairs(encoder: Any, kind: str) -> dict[str, tuple[Finding, TextPair]]:
    focal = [one for one in load_set(kind).findings if one.focal and one.name in FINDINGS[kind]]  # type: ignore[index]
    return {one.name: (one, finding_vectors(encoder, one)) for one in focal}


def _of_phantom(encoder: Any, phantom: Phantom, pairs: dict[str, tuple[Finding, TextPair]]) -> Iterator[Drawn]:
    wanted = [name for name in pairs if any(lesion.finding == name for lesion in phantom.lesions)]
    if not wanted:
        return
    every = [engine_series(item) for item in phantom.series]
    vectors: list[tuple[Series, ViewVectors]] = [(one, view) for one in every for view in embed_series(one, encoder)]
    for name in wanted:
        finding, pair = pairs[name]
        read = [(s, v) for s, v in vectors if is_read_in(finding, v.view, s.modality)]
        if not read:
            continue
        series, view = max(read, key=lambda one: float(volume_margins(one[1].slices, pair)[0][0]))
        lesions = [lesion for lesion in phantom.lesions if lesion.finding == name]
        yield Drawn(
            kind=phantom.kind,
            seed=phantom.seed,
            finding=finding,
            pair=pair,
            view=_view(series, view.view),
            margins=(view.slices.astype(np.float64) @ pair.directions()[:, :1])[:, 0],
            mask=np.any([lesion.mask for lesion in lesions], axis=0),
            size_mm=max(lesion.size_mm for lesion in lesions),
            spacing=phantom.series[0].spacing,
        )


def _view(series: Series, name: str) -> View:
    from radseek.retrieval.imaging.views.series_views import iter_views

    return next(view for view in iter_views(series) if view.name == name)
