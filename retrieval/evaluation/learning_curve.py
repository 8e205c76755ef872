"""What more labels bring: zero-shot, few-shot and a linear probe at 5 to 500 labels, on patients who gave none.

Half of the patients are held out. From the others, labelled studies are drawn several times at each size, both labels
in their own share and at least two of each. Every interval resamples the patients held out and the draws together
(percentiles 2.5 to 97.5); a gain is the difference to zero-shot on the same resample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.anchored_probe import fit_anchored
from radseek.retrieval.evaluation.linear_probe import fit_linear
from radseek.retrieval.evaluation.metrics import Estimate
from radseek.retrieval.evaluation.patient_folds import owners_of, patient_folds, patients_with

__all__ = ["SIZES", "CurvePoint", "LabelledFeatures", "LearningCurve", "learning_curve", "resampled_aurocs"]

SIZES = (5, 20, 100, 500)
FEWEST = 4  # patients with either label: two to learn from and two held out
_OF_EACH = 2  # studies of either label in every draw
Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]  # directions (D, M) to margins (N, M)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFeatures:
    """N labelled studies: a vector each `(N, D)`, labels `(N,)` in 1, 0, and whose they are."""

    features: Floats
    labels: NDArray[np.int8]
    patients: Sequence[str]

    def take(self, rows: NDArray[np.intp]) -> LabelledFeatures:
        """Return some of the studies."""
        return LabelledFeatures(self.features[rows], self.labels[rows], [self.patients[row] for row in rows])


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """AUROC on the patients held out after `labels` studies, `present` of them with label 1, and what it gains.

    `moved`: in which share of the draws the labels moved the words' direction at all.
    """

    labels: int
    present: int
    few_shot: Estimate
    few_shot_gain: Estimate
    linear: Estimate
    linear_gain: Estimate
    moved: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """`zero_shot`: the words alone; `points`: by number of labels, the last with all that are not held out."""

    zero_shot: Estimate
    points: tuple[CurvePoint, ...]
    draws: int

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON-able values."""
        return asdict(self)


def learning_curve(
    studies: LabelledFeatures,
    prior: Floats,
    score: Score,
    *,
    held_out: NDArray[np.bool_] | None = None,
    sizes: Sequence[int] = SIZES,
    draws: int = 5,
    repeats: int = 1000,
    seed: int = 0,
) -> LearningCurve:
    """Measure what labels bring for one finding.

    Args:
        studies: what is labelled.
        prior: `(D,)`, the words' direction.
        score: margins `(N, M)` of the studies by directions `(D, M)`, as `screen` would give them.
        held_out: `(N,)`, which studies are measured on; None holds out half of the patients.
        sizes: numbers of labelled studies; those that there are not are left out, and all is added.
        draws: at each size.
        repeats: of the bootstrap.
        seed: of split, draws and bootstrap.

    Returns:
        The curve. The same seed gives the same numbers.

    Raises:
        UsageError: fewer than four patients with either label.
    """
    held = held_out if held_out is not None else _held_out(studies, seed)
    pool, measured = np.flatnonzero(~held), np.flatnonzero(held)
    drawn = _drawn(studies.labels[pool], sizes, draws, seed)
    columns, moved = [prior], []
    for rows in drawn[: 1 - draws]:  # the last draws are all studies each time
        some = studies.take(pool[rows])
        anchored = fit_anchored(some.features, some.labels, some.patients, prior, seed=seed)
        columns += [anchored.direction, fit_linear(some.features, some.labels, some.patients, seed=seed)]
        moved.append(anchored.strength is not None)
    columns += columns[-2:] * (draws - 1)
    moved += moved[-1:] * (draws - 1)
    margins = score(np.stack(columns, axis=1))[measured]
    owners = owners_of(studies.take(measured).patients)
    resamples = _Resamples(studies.labels[measured], margins, owners, draws, repeats, seed)
    counts = [len(rows) for rows in drawn[::draws]]
    points = [
        CurvePoint(
            labels=count,
            present=int(studies.labels[pool[drawn[place * draws]]].sum()),
            few_shot=resamples.estimate(1 + 2 * place * draws, 2),
            few_shot_gain=resamples.estimate(1 + 2 * place * draws, 2, less_first=True),
            linear=resamples.estimate(2 + 2 * place * draws, 2),
            linear_gain=resamples.estimate(2 + 2 * place * draws, 2, less_first=True),
            moved=float(np.mean(moved[place * draws : (place + 1) * draws])),
        )
        for place, count in enumerate(counts)
    ]
    return LearningCurve(resamples.estimate(0, 0), tuple(points), draws)


def _held_out(studies: LabelledFeatures, seed: int) -> NDArray[np.bool_]:
    """Return which studies are measured on: half of the patients, with their share of both labels."""
    owners = owners_of(studies.patients)
    fewest = patients_with(studies.labels, owners)
    if fewest < FEWEST:
        raise UsageError(
            f"{fewest} patients have the rarer label; a learning curve needs {FEWEST} with label 1 and {FEWEST} with "
            "label 0: half of them are held out. Label more studies of other patients."
        )
    held = np.zeros(len(studies.labels), np.bool_)
    held[patient_folds(studies.labels, owners, 2, seed)[0][1]] = True
    return held


def _drawn(labels: NDArray[np.int8], sizes: Sequence[int], draws: int, seed: int) -> list[NDArray[np.intp]]:
    """Return the rows of each draw, `draws` of them a size, ascending sizes; the last size is all rows, each time."""
    rng = np.random.default_rng(seed)
    by_label = [np.flatnonzero(labels == value) for value in (0, 1)]
    drawn: list[NDArray[np.intp]] = []
    for size in sorted(size for size in sizes if 2 * _OF_EACH < size < len(labels)):
        present = int(np.clip(round(size * float(labels.mean())), _OF_EACH, size - _OF_EACH))
        for _ in range(draws):
            some = [rng.permutation(rows)[:n] for rows, n in zip(by_label, (size - present, present), strict=True)]
            drawn.append(np.sort(np.concatenate(some)))
    return drawn + [np.arange(len(labels))] * draws


class _Resamples:
    """AUROC of M columns of margins, whole and on every resample of the patients `(repeats, M)`."""

    def __init__(
        self,
        labels: NDArray[np.int8],
        margins: Floats,
        owners: NDArray[np.intp],
        draws: int,
        repeats: int,
        seed: int,
    ) -> None:
        rng, count = np.random.default_rng(seed), int(owners.max()) + 1
        self._size = (len(labels), count)
        self._draws = draws
        self._whole = resampled_aurocs(labels, margins, np.ones((1, len(labels))))[0]
        taken = rng.multinomial(count, np.full(count, 1 / count), size=repeats)
        self._each = resampled_aurocs(labels, margins, taken[:, owners].astype(np.float64))
        self._picked = rng.integers(draws, size=(repeats, draws))

    def estimate(self, first: int, step: int, *, less_first: bool = False) -> Estimate:
        """Return the mean over the draws' columns, `first` on in steps (0: that column alone), less zero-shot's."""
        columns = first + step * np.arange(self._draws if step else 1)
        base = 0 if less_first else None
        picked = self._picked if step else np.zeros((len(self._each), 1), np.intp)
        values = np.take_along_axis(self._each[:, columns], picked, axis=1).mean(axis=1)
        value = float(self._whole[columns].mean())
        if base is not None:
            values, value = values - self._each[:, base], value - float(self._whole[base])
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return Estimate(value, float(low), float(high), *self._size)


def resampled_aurocs(labels: NDArray[np.int8], scores: Floats, weights: Floats) -> Floats:
    """Return the AUROC `(R, M)` of scores `(N, M)` for labels `(N,)` under R weightings of the rows `(R, N)`.

    The probability that a row of label 1 scores higher than one of label 0, ties counting half (Hanley and McNeil
    1982), rows weighed; NaN where a weighting leaves one label alone. scikit-learn's roc_auc_score for one weighting.
    """
    found = np.empty((len(weights), scores.shape[1]))
    with np.errstate(invalid="ignore", divide="ignore"):
        for column in range(scores.shape[1]):
            _, place = np.unique(scores[:, column], return_inverse=True)
            order = np.argsort(place, kind="stable")
            starts = np.flatnonzero(np.diff(place[order], prepend=-1))
            ones, zeros = (np.add.reduceat((weights * (labels == value))[:, order], starts, axis=1) for value in (1, 0))
            below = np.cumsum(zeros, axis=1) - zeros / 2
            found[:, column] = (ones * below).sum(axis=1) / (ones.sum(axis=1) * zeros.sum(axis=1))
    return found
