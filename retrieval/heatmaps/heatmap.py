"""Where in a slice an encoder sees a finding: evidence for its margin, in the slice's own pixels.

The margin is `cos(image, present) - cos(image, absent)`. A map's unit is the method's own; only its order matters, and
within one series its slices compare. Research use only. Not a medical device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.cell_geometry import place, spread, to_slice
from radseek.retrieval.scoring.text_vectors import TextPair

if TYPE_CHECKING:  # importing it takes torch's seconds, and importing this must not
    from radseek.retrieval.heatmaps.tower_layers import Tower

__all__ = ["DEFAULT", "Recipe", "heat_map", "input_maps"]

_BATCH = 8


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a map is made. `method`: see `heatmap_methods`; `shifts`: a side of the square of small moves averaged.

    A cell is as wide as the tower's stride; moving the input by fractions of it shows what lies between cells.
    """

    method: str = "gradient16"
    shifts: int = 2
    points: int = 48

    @property
    def version(self) -> str:
        """Return what a stored check is filed under: another recipe is another map."""
        return f"{self.method}/{self.shifts}/{self.points}"


DEFAULT = Recipe()


def heat_map(
    encoder: Encoder, view_slice: NDArray[np.uint8], pair: TextPair, recipe: Recipe = DEFAULT
) -> NDArray[np.float32]:
    """Return a map `(H, W)` of a view's slice `(H, W)` or `(H, W, 3)` uint8: high where the finding is seen.

    NaN where the encoder saw nothing (what its preprocessing crops away). Raises `UsageError` for another kind of
    array, and for an encoder whose input is no square, over which no map is drawn.
    """
    if encoder.spec.preprocess.width is not None:
        raise UsageError(
            f"Heat maps are drawn over square input, not one of {encoder.spec.preprocess.shape} pixels; "
            "take an encoder of square input."
        )
    placement = place((view_slice.shape[0], view_slice.shape[1]), encoder.spec.preprocess)
    prepared = prepare_slices(view_slice[None], encoder.spec.preprocess)
    return to_slice(input_maps(encoder, prepared, pair, recipe)[0], placement)


def input_maps(
    encoder: Encoder, prepared: NDArray[np.uint8], pair: TextPair, recipe: Recipe = DEFAULT, visual: object = None
) -> NDArray[np.float32]:
    """Return maps `(N, P, P)` over the inputs of prepared slices `(N, 3, S, S)`, P = `recipe.points`.

    `visual` stands in for the encoder's own image tower (one of random weights, say). An encoder that shows no tower
    is asked by occlusion.
    """
    from radseek.retrieval.heatmaps.tower_layers import tower_of

    tower = tower_of(encoder, visual)
    if tower is None or recipe.method == "occlusion":
        from radseek.retrieval.heatmaps.occlusion import occlusion_maps  # late, as Captum and torch are

        return occlusion_maps(encoder, prepared, pair, recipe.points)
    size, stride = prepared.shape[-1], _stride(tower)
    total = np.zeros((len(prepared), recipe.points, recipe.points), np.float32)
    moves = _moves(recipe.shifts, stride)
    for down, across in moves:
        moved = _move(prepared, down, across)
        for row, grid in enumerate(_grids(tower, moved, pair, recipe.method)):
            total[row] += spread(grid, size, recipe.points, lean=(-down, -across))
    total /= len(moves)
    return total


def _grids(tower: Tower, prepared: NDArray[np.uint8], pair: TextPair, method: str) -> list[NDArray[np.float32]]:
    import torch

    from radseek.retrieval.heatmaps.methods import METHODS  # late: torch and captum take seconds to import

    found: list[NDArray[np.float32]] = []
    for start in range(0, len(prepared), _BATCH):
        # One shape for every batch, as in encoding: a slice's map must not depend on the slices beside it.
        part = prepared[start : start + _BATCH]
        batch = np.zeros((_BATCH, *part.shape[1:]), np.uint8)
        batch[: len(part)] = part
        inputs = tower.as_input(batch)
        direction = torch.from_numpy(pair.directions()[:, 0].astype(np.float32)).to(inputs.device)
        found += list(METHODS[method](tower, inputs, direction)[: len(part)].cpu().numpy())
    return found


def _stride(tower: Tower) -> int:
    return max(tower.layers)


def _moves(count: int, stride: int) -> Sequence[tuple[int, int]]:
    """Return `count ** 2` moves (down, across) in pixels that divide a stride evenly and have mean zero, nearly."""
    steps = [round(((k + 0.5) / count - 0.5) * stride) for k in range(count)]
    return [(down, across) for down in steps for across in steps]


def _move(prepared: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """Return `(N, 3, S, S)` moved by whole pixels, the edge repeated where nothing was."""
    if down == across == 0:
        return prepared
    reach = max(abs(down), abs(across))
    size = prepared.shape[-1]
    wide = np.pad(prepared, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    top, left = reach - down, reach - across
    return np.ascontiguousarray(wide[:, :, top : top + size, left : left + size])
