"""A linear probe: scikit-learn's logistic regression on stored vectors, its penalty chosen over patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.evaluation.patient_folds import owners_of, patient_folds

__all__ = ["PENALTIES", "fit_linear"]

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C
_FOLDS = 5


def fit_linear(
    features: NDArray[np.float64], labels: NDArray[np.int8], patients: Sequence[str], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return the weights `(D,)` of an L2 logistic regression, which know nothing of the finding's words.

    Args:
        features: `(N, D)`, one vector a study.
        labels: `(N,)` in 1, 0, both there.
        patients: whose the N studies are.
        seed: of the folds.

    Returns:
        Weights at the C of the least log loss on patients held out; at C = 1 where fewer than two patients have one of
        the labels.
    """
    from sklearn.linear_model import LogisticRegression

    centred = features - features.mean(axis=0)
    strength = _chosen(centred, labels, owners_of(patients), seed)
    fitted = LogisticRegression(C=strength, solver="newton-cholesky").fit(centred, labels)
    return np.asarray(fitted.coef_[0], np.float64)


def _chosen(features: NDArray[np.float64], labels: NDArray[np.int8], owners: NDArray[np.intp], seed: int) -> float:
    folds = patient_folds(labels, owners, _FOLDS, seed)
    if not folds:
        return 1.0
    from sklearn.linear_model import LogisticRegression

    signs = 2.0 * labels - 1.0
    losses = []
    for strength in PENALTIES:
        model = LogisticRegression(C=strength, solver="newton-cholesky")
        logits = [model.fit(features[fit], labels[fit]).decision_function(features[held]) for fit, held in folds]
        own = np.concatenate([signs[held] for _, held in folds])
        losses.append(np.logaddexp(0, -own * np.concatenate(logits)).mean())
    return PENALTIES[int(np.argmin(losses))]
