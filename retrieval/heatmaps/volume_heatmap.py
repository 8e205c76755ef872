"""A finding through a whole view: its slice profile, its key slices, and maps stacked on the Volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.heatmaps.cell_geometry import Placement, place, to_slice
from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe, input_maps
from radseek.retrieval.scoring.text_vectors import TextPair
from radseek.retrieval.types import View

__all__ = ["KEY_SLICES", "ViewMaps", "key_rows", "no_maps", "view_maps"]

KEY_SLICES = 3
_APART = 0.1  # of a view's slices: neighbours of a key slice show the same


@dataclass(frozen=True, slots=True, eq=False)
class ViewMaps:
    """Maps of slices of one view: `over_input (N, P, P)` of those at `z (N,)` of the Volume, rising."""

    view: View
    z: NDArray[np.int32]
    over_input: NDArray[np.float32]
    placement: Placement

    def at(self, z: int) -> NDArray[np.float32]:
        """Return the map `(H, W)` of the slice at `z`, NaN where nothing was seen. Raises `KeyError` for another z."""
        rows = np.flatnonzero(self.z == z)
        if not len(rows):
            raise KeyError(f"no map of slice {z}; there are maps of {self.z.tolist()}")
        return to_slice(self.over_input[rows[0]], self.placement)

    def stacked(self) -> NDArray[np.float32]:
        """Return `(Z, H, W)` float32 on the Volume's grid; NaN in slices that were not looked at."""
        whole = np.full(self.view.series.volume.voxels.shape[:3], np.nan, np.float32)
        for z in self.z:
            whole[z] = self.at(int(z))
        return whole

    def peak(self) -> tuple[int, int, int]:
        """Return the voxel `(x, y, z)` where the maps are highest, the first one in a tie."""
        best: tuple[float, tuple[int, int, int]] | None = None
        for z in self.z:
            drawn = self.at(int(z))
            y, x = np.unravel_index(int(np.nanargmax(drawn)), drawn.shape)
            if best is None or drawn[y, x] > best[0]:
                best = (float(drawn[y, x]), (int(x), int(y), int(z)))
        return (0, 0, 0) if best is None else best[1]


def view_maps(
    encoder: Encoder, view: View, pair: TextPair, rows: NDArray[np.integer] | None = None, recipe: Recipe = DEFAULT
) -> ViewMaps:
    """Return the maps of a view's slices, or of those `rows` of it only."""
    chosen = np.arange(len(view.slices)) if rows is None else np.sort(np.asarray(rows))
    prepared = prepare_slices(view.slices[chosen], encoder.spec.preprocess)
    maps = input_maps(encoder, prepared, pair, recipe)
    return ViewMaps(view, view.z[chosen], maps, _placement(encoder, view))


def no_maps(encoder: Encoder, view: View, recipe: Recipe = DEFAULT) -> ViewMaps:
    """Return a view's maps where none is made: of no slice."""
    nothing = np.zeros((0, recipe.points, recipe.points), np.float32)
    return ViewMaps(view, view.z[:0], nothing, _placement(encoder, view))


def _placement(encoder: Encoder, view: View) -> Placement:
    height, width = view.slices.shape[1:3]
    return place((int(height), int(width)), encoder.spec.preprocess)


def key_rows(
    margins: NDArray[np.floating], competing: NDArray[np.bool_] | None = None, count: int = KEY_SLICES
) -> NDArray[np.intp]:
    """Return the rows `(<= count,)` of the highest margins `(N,)`, best first, none within a tenth of N of another.

    `competing` `(N,)`: which rows may be named; all of them without it.
    """
    apart = max(1, round(_APART * len(margins)))
    chosen: list[int] = []
    for row in np.argsort(-margins, kind="stable"):
        may = competing is None or competing[row]
        if may and len(chosen) < count and all(abs(int(row) - other) >= apart for other in chosen):
            chosen.append(int(row))
    return np.array(chosen, np.intp)
