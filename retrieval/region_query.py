"""A masked region as the query of `similar`: the slices it touches, black beyond it, against stored slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.encode import encode_padded, pool_view, slice_positions
from retrieval.encoders.prepare import prepare_slices
from retrieval.encoders.protocol import Encoder
from retrieval.imaging.orient import spacing_zyx
from retrieval.imaging.slices import choose_slices
from retrieval.imaging.views import iter_views
from retrieval.index.exact import cosines
from retrieval.index.store import Scope, Store
from retrieval.region import Region
from retrieval.search import QueryView, RankedStudy, rank_studies
from retrieval.types import Series, View, ViewVectors, Volume

__all__ = ["MARGIN_MM", "Look", "rank_by_region", "region_views"]

Look = Literal["masked", "crop", "slices"]

MARGIN_MM: Final = 30.0  # around the region's box: what lies about a lesion belongs to how it looks
_CANDIDATES: Final = 64  # studies that are compared slice by slice, at least
_BLACK: Final = 0


def region_views(series: Series, region: Region, encoder: Encoder, *, look: Look = "masked") -> list[ViewVectors]:
    """Encode a region as it is seen in every view of its series.

    Only slices that the region touches, at the recipe's distance. `masked`: the whole slice, black beyond the region's
    box and `MARGIN_MM` on each side; its rivals are a square cut out around that (`crop`) and the whole slice
    (`slices`), which `benchmarks/region_query.py` compares. Raises `MaskError` where the region has another grid than
    the series.
    """
    region.affine_on(series.volume)
    z = _touched(region, series.volume)
    rows, columns, grown = _window(region, series.volume)
    found = []
    for view in iter_views(series, z):
        shown = _looked_at(view, look, rows, columns, grown)
        vectors = encode_padded(encoder, prepare_slices(shown, encoder.spec.preprocess))
        found.append(
            ViewVectors(view.name, series.uid, vectors, pool_view(encoder, vectors), view.z, slice_positions(view))
        )
    return found


def rank_by_region(store: Store, views: Sequence[ViewVectors], k: int, scope: Scope) -> list[RankedStudy]:
    """Return the k studies with the slices most like a region's, best first, ties by key.

    A region is in few of a study's slices and a pooled vector is the mean of all, so slices are compared with slices:
    a study's score is the mean over the region's views of `mean_i max_j q_i . d_j` (DESIGN section 7), 0 for a view
    that it lacks. Studies are candidates by their best single slice and by their pooled views.
    """
    depth = max(_CANDIDATES, 4 * k)
    candidates = {one.study for one in rank_studies(store, [QueryView(v.view, v.pooled) for v in views], depth, scope)}
    for view in views:
        candidates |= {hit.study for hit in store.search_slices(view.pooled, depth, scope)}
    ranked = [RankedStudy(study, _alike(views, store.slice_vectors(study))) for study in sorted(candidates)]
    return sorted(ranked, key=lambda one: (-one.score, one.study))[:k]


def _alike(query: Sequence[ViewVectors], case: Sequence[ViewVectors]) -> float:
    total = 0.0
    for view in query:
        scores = [
            float(np.mean([cosines(other.slices, row).max() for row in view.slices]))
            for other in case
            if other.view == view.view
        ]
        total += max(scores, default=0.0)
    return total / len(query)


def _touched(region: Region, volume: Volume) -> NDArray[np.int32]:
    """Slices of the Volume to look at, `(N,)`: of those with a voxel inside, as far apart as the recipe allows."""
    inside = np.flatnonzero(region.inside.any(axis=(1, 2)))
    gap = None if volume.affine is None else spacing_zyx(volume.affine)[0]
    chosen = choose_slices(region.inside.shape[0], gap)
    # A chosen slice may fall where the region has a hole; its nearest neighbour that has a voxel stands in.
    near = np.abs(inside[None, :] - chosen[:, None]).argmin(axis=1)
    return (np.unique(inside[near]) + region.start[0]).astype(np.int32)


def _window(region: Region, volume: Volume) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of the square crop, and of the region's box with its margin."""
    spacing = (0.0, 1.0, 1.0) if volume.affine is None else spacing_zyx(volume.affine)
    box, sizes = region.box[1:], volume.voxels.shape[1:3]
    margins = [MARGIN_MM / step for step in spacing[1:]]
    grown = [
        slice(max(0, round(part.start - margin)), min(size, round(part.stop + margin)))
        for part, margin, size in zip(box, margins, sizes, strict=True)
    ]
    side = max(part.stop - part.start for part in grown)
    rows, columns = (_widened(part, min(side, size), size) for part, size in zip(grown, sizes, strict=True))
    return rows, columns, (grown[0], grown[1])


def _widened(part: slice, side: int, size: int) -> slice:
    """A stretch of `side` about the middle of another, moved where it would leave the image."""
    start = (part.start + part.stop - side) // 2
    start = min(max(0, start), size - side)
    return slice(start, start + side)


def _looked_at(view: View, look: Look, rows: slice, columns: slice, grown: tuple[slice, slice]) -> NDArray[np.uint8]:
    if look == "slices":
        return view.slices
    if look == "crop":
        return view.slices[:, rows, columns]
    shown = np.full_like(view.slices, _BLACK)
    shown[:, grown[0], grown[1]] = view.slices[:, grown[0], grown[1]]
    return shown
