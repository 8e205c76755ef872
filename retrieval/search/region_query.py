"""A masked region as the query of `similar`: the slices it touches, black beyond it, against stored slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import embed_view
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.orientation import spacing_zyx
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.imaging.views.slice_rule import choose_slices
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.index.vectors.exact_search import cosines
from radseek.retrieval.regions.region import Region
from radseek.retrieval.search.ranking import QueryView, RankedStudy, rank_studies
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe, Series, ViewVectors, Volume

__all__ = ["MARGIN_MM", "rank_by_region", "region_views", "surroundings", "touched_slices"]

MARGIN_MM: Final = 30.0  # around the region's box: what lies about a lesion belongs to how it looks
_CANDIDATES: Final = 64  # studies that are compared slice by slice, at least
_BLACK: Final = 0


def region_views(series: Series, region: Region, encoder: Encoder) -> list[ViewVectors]:
    """Encode a region as it is seen in every view of its series.

    Only slices that the region touches, at the recipe's distance: whole, but black beyond the region's box and
    `MARGIN_MM` on each side. `benchmarks/region_query.py` compares other looks. Raises `MaskError` where the region
    has another grid than the series, `UsageError` for an encoder of volumes.
    """
    region.affine_on(series.volume)
    rows, columns = surroundings(region, series.volume)
    found = []
    recipe = encoder.spec.recipe
    if recipe.volume is not None:
        raise UsageError(
            f"'{encoder.spec.name}' reads whole volumes, and a marked region is compared slice by slice; leave out the "
            "mask, or use an index of an encoder of slices."
        )
    for view in iter_views(series, touched_slices(region, series.volume, recipe), recipe):
        shown = np.full_like(view.slices, _BLACK)
        shown[:, rows, columns] = view.slices[:, rows, columns]
        found.append(embed_view(replace(view, slices=shown), encoder))
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


def touched_slices(region: Region, volume: Volume, recipe: ImagingRecipe = OUR_RECIPE) -> NDArray[np.int32]:
    """Return the slices of the Volume to look at, `(N,)`: with a voxel inside, as far apart as the recipe allows."""
    inside = np.flatnonzero(region.inside.any(axis=(1, 2)))
    gap = None if volume.affine is None else spacing_zyx(volume.affine)[0]
    chosen = choose_slices(region.inside.shape[0], gap, recipe.max_gap_mm, recipe.max_slices)
    # A chosen slice may fall where the region has a hole; its nearest neighbour that has a voxel stands in.
    near = np.abs(inside[None, :] - chosen[:, None]).argmin(axis=1)
    return (np.unique(inside[near]) + region.start[0]).astype(np.int32)


def surroundings(region: Region, volume: Volume) -> tuple[slice, slice]:
    """Return the rows and columns of the region's box and `MARGIN_MM` (voxels without geometry) on each side."""
    spacing = (0.0, 1.0, 1.0) if volume.affine is None else spacing_zyx(volume.affine)
    rows, columns = (
        slice(max(0, round(part.start - MARGIN_MM / step)), min(size, round(part.stop + MARGIN_MM / step)))
        for part, step, size in zip(region.box[1:], spacing[1:], volume.voxels.shape[1:3], strict=True)
    )
    return rows, columns
