"""Is a heat map worth showing? Deletion and insertion against random orders, and the map of randomised weights.

Petsiuk V., Das A., Saenko K., RISE, BMVC 2018: hide a picture's places in the map's order and the margin should fall
fast; show them in that order on a hidden picture and it should rise fast. Adebayo J. et al., Sanity Checks for
Saliency Maps, NeurIPS 2018: with random weights the map must become another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe, input_maps
from radseek.retrieval.heatmaps.hidden_cells import block_means, partly_hidden
from radseek.retrieval.scoring.text_vectors import TextPair

__all__ = ["FEWEST", "HIGHEST_CORRELATION", "Curves", "MapCheck", "check_maps", "curves"]

HIGHEST_CORRELATION = 0.3
FEWEST = 4  # slices that an interval over slices needs; with fewer it is over random orders
_SIDE = 16  # blocks of a side, in whose order places are hidden
_STEPS = 12
_ORDERS = 4  # random orders a slice
_ORDERS_OF_FEW = 24
_DRAWS = 8  # of random weights
_SEED = 20261122


@dataclass(frozen=True, slots=True)
class MapCheck:
    """How faithful the maps of one encoder and finding were, on `slices` slices.

    `insertion`, `deletion`: mean area under the margin's curve in the map's order; `random`: insertion minus deletion
    in random orders; `gain`: how much more insertion minus deletion is in the map's order. `interval` (95 %): of the
    mean gain, over slices; with fewer than `FEWEST`, of single gains over random orders, which says nothing of other
    slices (`settles` is False). `correlation`: mean rank correlation with the maps of randomised weights, None where
    an encoder shows no weights (its maps are occlusion's). `reason`: "" where the map passes, else a stable word:
    `no_better_than_random_order`, `same_with_random_weights`, or why the finding is not judged in this study at all
    (`refused`, with `slices` 0).
    """

    passes: bool
    insertion: float
    deletion: float
    random: float
    gain: float
    interval: tuple[float, float]
    correlation: float | None
    slices: int
    reason: str = ""

    @classmethod
    def refused(cls, reason: str) -> MapCheck:
        """Return what stands for the check of a map that is not made, for a reason of the score's own."""
        return cls(False, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0), None, 0, reason)

    @classmethod
    def of_score_parts(cls) -> MapCheck:
        """Return what stands for the check of a map whose values are the score's own parts: there is none."""
        return cls(True, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0), None, 0)

    @property
    def settles(self) -> bool:
        """Return whether it speaks for the encoder and finding, and not for these few slices only."""
        return self.slices >= FEWEST

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-able values that `from_json` reads back."""
        return {**asdict(self), "interval": list(self.interval)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MapCheck:
        """Read a check back. Raises `KeyError`, `TypeError` or `ValueError` where it is malformed."""
        low, high = (float(value) for value in data["interval"])
        return cls(**{**data, "interval": (low, high)})


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """One slice's margins `(steps + 1,)` while its blocks are hidden (`deletion`) or shown (`insertion`) in an order.

    `random`: the same in random orders, `(orders, 2, steps + 1)`, deletion first.
    """

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def gain(self) -> float:
        """Return insertion minus deletion in the map's order, less the same in random orders, as mean margins."""
        return _area(self.insertion) - _area(self.deletion) - self.by_chance

    @property
    def by_chance(self) -> float:
        """Return insertion minus deletion, the mean over random orders."""
        return float(self.each_by_chance.mean())

    @property
    def each_by_chance(self) -> NDArray[np.float64]:
        """Return insertion minus deletion `(orders,)` of each random order."""
        return np.array([_area(insertion) - _area(deletion) for deletion, insertion in self.random])


def check_maps(
    encoder: Encoder, prepared: NDArray[np.uint8], pair: TextPair, recipe: Recipe = DEFAULT, seed: int = _SEED
) -> MapCheck:
    """Check the maps of prepared slices `(N, 3, S, S)` uint8 for one finding; the same for the same slices and seed.

    Raises `UsageError` for no slices.
    """
    if not len(prepared):
        raise UsageError("A heat map is checked on slices; give at least one.")
    maps = input_maps(encoder, prepared, pair, recipe)
    rng = np.random.default_rng(seed)
    orders = _ORDERS if len(prepared) >= FEWEST else _ORDERS_OF_FEW
    found = [curves(encoder, picture, one, pair, rng, orders) for picture, one in zip(prepared, maps, strict=True)]
    interval = _interval(found)
    correlation = _with_random_weights(encoder, prepared, pair, recipe)
    reason = _reason(interval, correlation)
    return MapCheck(
        passes=not reason,
        insertion=float(np.mean([_area(one.insertion) for one in found])),
        deletion=float(np.mean([_area(one.deletion) for one in found])),
        random=float(np.mean([one.by_chance for one in found])),
        gain=float(np.mean([one.gain for one in found])),
        interval=interval,
        correlation=correlation,
        slices=len(prepared),
        reason=reason,
    )


def curves(
    encoder: Encoder,
    picture: NDArray[np.uint8],
    over_input: NDArray[np.floating],
    pair: TextPair,
    rng: np.random.Generator,
    random_orders: int = _ORDERS,
) -> Curves:
    """Return the curves of one prepared slice `(3, S, S)` in the order of a map `(P, P)`, and in random orders.

    The blocks of a map of equal values go in a random order too. All perturbed pictures are encoded in full batches.
    """
    values = block_means(over_input, _SIDE).reshape(-1)
    ties = rng.permutation(len(values))
    orders = [
        ties[np.argsort(-values[ties], kind="stable")],
        *(rng.permutation(len(values)) for _ in range(random_orders)),
    ]
    pictures = [partly_hidden(picture, order, _SIDE, _STEPS, show=show) for order in orders for show in (False, True)]
    margins = _margins(encoder, np.concatenate(pictures), pair).reshape(len(orders), 2, _STEPS + 1)
    return Curves(margins[0, 0], margins[0, 1], margins[1:])


def _margins(encoder: Encoder, pictures: NDArray[np.uint8], pair: TextPair) -> NDArray[np.float64]:
    size = encoder.batch_size
    whole = -(-len(pictures) // size) * size
    padded = np.concatenate([pictures, np.zeros((whole - len(pictures), *pictures.shape[1:]), np.uint8)])
    rows = [encoder.encode_slices(padded[start : start + size]) for start in range(0, whole, size)]
    margins = np.concatenate(rows)[: len(pictures)].astype(np.float64) @ pair.directions()[:, 0]
    return np.asarray(margins, np.float64)


def _area(curve: NDArray[np.float64]) -> float:
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def _interval(found: Sequence[Curves]) -> tuple[float, float]:
    """Return the 95 % interval of the mean gain by Student's t; of few slices, percentiles of single orders' gains."""
    if len(found) < FEWEST:
        each = np.mean([one.gain + one.by_chance - one.each_by_chance for one in found], axis=0)
        low, high = np.percentile(each, [2.5, 97.5])
        return float(low), float(high)
    from scipy.stats import t  # late, as below: a second that only a check of maps needs

    gains = np.array([one.gain for one in found])
    half = float(t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    return float(gains.mean() - half), float(gains.mean() + half)


def _with_random_weights(encoder: Encoder, prepared: NDArray[np.uint8], pair: TextPair, recipe: Recipe) -> float | None:
    """Return the mean rank correlation, over slices and draws of weights, of maps with those of random weights.

    Without the small moves of the input, which are costly and smooth both maps alike.
    """
    from radseek.retrieval.heatmaps.random_weights import randomised_tower  # late: torch takes seconds to import

    plain = replace(recipe, shifts=1)
    maps = input_maps(encoder, prepared, pair, plain)
    found = []
    for draw in range(_DRAWS):
        visual = randomised_tower(encoder, prepared, seed=draw)
        if visual is None:
            return None
        others = input_maps(encoder, prepared, pair, plain, visual=visual)
        found += [_rank_correlation(one, other) for one, other in zip(maps, others, strict=True)]
    return float(np.mean(found))


def _rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    first, second = (block_means(values, _SIDE).reshape(-1) for values in (one, other))
    if first.min() == first.max() or second.min() == second.max():
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def _reason(interval: Sequence[float], correlation: float | None) -> str:
    if not interval[0] > 0:
        return "no_better_than_random_order"
    same = correlation is not None and not abs(correlation) <= HIGHEST_CORRELATION
    return "same_with_random_weights" if same else ""
