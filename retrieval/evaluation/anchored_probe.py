"""Few labels: the words' direction as prior, moved towards the labels as far as they can show that it helps.

Logistic regression around a prior. The logit of a study with vector x is `s (t.x) + d.x + b`: t is the words'
direction, s its slope on the labels alone (Platt), and d a correction under an L2 penalty, so that without evidence it
is zero and the words stand (as Silva-Rodriguez et al. 2024, CVPR, keep few-shot adapters near the zero-shot weights).

Whether and how far the words are moved is decided by cross-validation over patients, by the AUROC of what was held out:
each study's placement among those of the other label (DeLong et al. 1988), averaged by patient (Obuchowski 1997). Words
stand unless the best strength betters them in a one-sided paired t test over patients at 1 %; then the weakest strength
within one standard error of the best is taken (Breiman et al. 1984). Fewer than 20 patients decide nothing: an error
estimated from so few clusters is too small (Cameron and Miller 2015).

d is kept orthogonal to the mean vector: along it all studies of a kind move alike, which says nothing of the finding
and would shift every margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.evaluation.patient_folds import Fold, owners_of, patient_folds

__all__ = ["STRENGTHS", "AnchoredProbe", "correction", "fit_anchored", "resampled_directions"]

STRENGTHS = (0.3, 3.0, 30.0, 300.0, 3000.0)  # scikit-learn's C: the inverse of the penalty on the correction
_FOLDS = 5
_FLAT = 1e-12  # keeps the curvature positive where every study is far on its side
_FEWEST = 20  # patients under whom the words stand
_DOUBT = 0.01  # of the test that the words must fail
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AnchoredProbe:
    """A direction `(D,)` as long as the words' own, and the strength chosen; None: the words' own direction."""

    direction: Floats
    strength: float | None


def fit_anchored(
    features: Floats, labels: NDArray[np.int8], patients: Sequence[str], prior: Floats, *, seed: int = 0
) -> AnchoredProbe:
    """Return the prior moved towards the labels.

    Args:
        features: `(N, D)`, one vector a study.
        labels: `(N,)` in 1, 0.
        patients: whose the N studies are.
        prior: `(D,)`, the words' direction; zeros without words, and then chance must be bettered.
        seed: of the folds.

    Returns:
        The prior itself, bit for bit, where nothing is labelled, fewer than 20 patients are, fewer than two have one
        of the labels, or cross-validation does not say that a correction is better.
    """
    if len(labels) == 0:
        return AnchoredProbe(prior, None)
    owners = owners_of(patients)
    enough = owners.max() + 1 >= _FEWEST
    folds = patient_folds(labels, owners, _FOLDS, seed) if enough else []
    chosen = _chosen(_held_out_placements(features, labels, owners, prior, folds)) if folds else None
    if chosen is None:
        return AnchoredProbe(prior, None)
    return AnchoredProbe(_moved(features, labels, prior, STRENGTHS[chosen], features.mean(axis=0)), STRENGTHS[chosen])


def resampled_directions(
    features: Floats,
    labels: NDArray[np.int8],
    patients: Sequence[str],
    prior: Floats,
    strength: float,
    *,
    count: int,
    seed: int = 0,
) -> Floats:
    """Return directions `(count, D)` fitted at one strength to resamples of the patients; the rest as `fit_anchored`.

    A resample that lacks a label is drawn again.
    """
    owners, rng, mean = owners_of(patients), np.random.default_rng(seed), features.mean(axis=0)
    rows_of = [np.flatnonzero(owners == one) for one in range(owners.max() + 1)]
    found: list[Floats] = []
    while len(found) < count:
        rows = np.concatenate([rows_of[one] for one in rng.integers(len(rows_of), size=len(rows_of))])
        if len(np.unique(labels[rows])) == 2:
            found.append(_moved(features[rows], labels[rows], prior, strength, mean))
    return np.stack(found)


def correction(
    features: Floats, labels: NDArray[np.int8], offsets: Floats, strengths: Sequence[float]
) -> list[tuple[Floats, float]]:
    """Return for each strength d `(D,)` and b that minimise `strength * sum(log loss of offset + d.x + b) + |d|^2 / 2`.

    With offsets of zero this is scikit-learn's LogisticRegression(C=strength). `features (N, D)`, `offsets (N,)`;
    strengths ascending, each search beginning where the last one ended.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    # d lies in the span of the rows, so that as many numbers are sought as there are rows or columns, the fewer.
    left, sizes, right = np.linalg.svd(features, full_matrices=False)
    rows = np.column_stack([left * sizes, np.ones(len(features))])
    kept = np.r_[np.ones(len(sizes)), 0.0]  # the intercept is not penalised
    at, found = np.zeros(len(kept)), []
    for strength in strengths:

        def loss(at: Floats, strength: float = strength) -> tuple[float, Floats]:
            logits = offsets + rows @ at
            value = (np.logaddexp(0, logits) - labels * logits).sum() + kept * at @ at / (2 * strength)
            return float(value), rows.T @ (expit(logits) - labels) + kept * at / strength

        def curvature(at: Floats, strength: float = strength) -> Floats:
            chance = expit(offsets + rows @ at)
            return np.asarray((rows.T * (chance * (1 - chance) + _FLAT)) @ rows + np.diag(kept / strength))

        at = minimize(loss, at, jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-6}).x
        found.append((right.T @ at[:-1], float(at[-1])))
    return found


def _moved(features: Floats, labels: NDArray[np.int8], prior: Floats, strength: float, mean: Floats) -> Floats:
    """Return the prior with its correction, as long as the prior; of unit length where there are no words."""
    slope = _slope(features @ prior, labels)
    offsets = slope * ((features - mean) @ prior)
    ((moved, _),) = correction(_across(features, mean), labels, offsets, [strength])
    direction = slope * prior + moved
    return np.asarray(direction * ((np.linalg.norm(prior) or 1.0) / np.linalg.norm(direction)))


def _across(features: Floats, mean: Floats) -> Floats:
    """Return vectors less their mean, and less what lies along it."""
    axis = mean / np.linalg.norm(mean)
    centred = features - mean
    return np.asarray(centred - np.outer(centred @ axis, axis))


def _slope(margins: Floats, labels: NDArray[np.int8]) -> float:
    """Return Platt's slope of margins on labels; one under 0, against the words, becomes 0."""
    spread = float(margins.std())
    if spread == 0:
        return 0.0
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1.0).fit((margins[:, None] - margins.mean()) / spread, labels)
    return max(0.0, float(fitted.coef_[0, 0]) / spread)


def _held_out_placements(
    features: Floats, labels: NDArray[np.int8], owners: NDArray[np.intp], prior: Floats, folds: Sequence[Fold]
) -> Floats:
    """Return the mean placement `(patients, 1 + strengths)` of each patient's held-out studies, the words' first."""
    scores = np.full((len(labels), 1 + len(STRENGTHS)), np.nan)
    for fit, held in folds:
        scores[held] = _logits(features, labels, prior, fit, held)
    read = ~np.isnan(scores[:, 0])
    placements, of_patient = _placements(scores[read], labels[read]), owners[read]
    names = np.unique(of_patient)
    return np.stack([placements[of_patient == name].mean(axis=0) for name in names])


def _logits(
    features: Floats, labels: NDArray[np.int8], prior: Floats, fit: NDArray[np.intp], held: NDArray[np.intp]
) -> Floats:
    """Return held-out scores `(held, 1 + strengths)`, the words' margins first."""
    mean = features[fit].mean(axis=0)
    slope = _slope(features[fit] @ prior, labels[fit])
    offsets = slope * ((features - mean) @ prior)
    outside = _across(features[held], mean)
    found = correction(_across(features[fit], mean), labels[fit], offsets[fit], STRENGTHS)
    corrected = [offsets[held] + outside @ moved + shift for moved, shift in found]
    return np.stack([features[held] @ prior, *corrected], axis=1)


def _placements(scores: Floats, labels: NDArray[np.int8]) -> Floats:
    """Return for each study the share `(N, M)` of the other label's that it is on the right side of; ties half."""
    signs = 2.0 * labels - 1.0
    found = np.empty_like(scores)
    for value in (0, 1):
        own, other = scores[labels == value], scores[labels != value]
        ahead = signs[labels == value][0] * (own[:, None] - other[None])
        found[labels == value] = ((ahead > 0) + 0.5 * (ahead == 0)).mean(axis=1)
    return found


def _chosen(placements: Floats) -> int | None:
    """Return which strength, by placements `(patients, 1 + strengths)`; None for the words alone."""
    best = int(placements.mean(axis=0).argmax())
    if best == 0 or not _is_better(placements[:, best] - placements[:, 0]):
        return None
    behind = placements[:, best : best + 1] - placements[:, 1:]
    error = behind.std(axis=0, ddof=1) / np.sqrt(len(behind))
    return int(np.flatnonzero(behind.mean(axis=0) <= error)[0])


def _is_better(gains: Floats) -> bool:
    """Say whether patients' mean gain is over 0 in a one-sided t test."""
    from scipy.stats import t

    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    return bool(gains.mean() > error * t.isf(_DOUBT, len(gains) - 1))
