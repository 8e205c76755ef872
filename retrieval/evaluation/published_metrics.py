"""Scores of classes as published scripts compute them, and as they should be: from labels and scores alone.

Each function returns both, so that ours stands beside the published row in the same terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.protocol import Protocol

__all__ = [
    "BothWays",
    "class_aurocs",
    "classes_both_ways",
    "corner_threshold",
    "enough_positives",
    "labels_of_lists",
    "mean_auroc",
    "negatives_both_ways",
    "nested_calls",
    "one_row_a_group",
    "operating_both_ways",
    "zscore_both_ways",
]

_GRID: Final = 100  # steps of the published grid of thresholds
_FOLDS: Final = 5

Labels = NDArray[np.int8]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BothWays:
    """One number as the published script computes it and as we do; NaN where it cannot be measured.

    `flaw`: the kind of flaw between them (a key of `protocol.FLAWS`). `finding`: its name, "" for all together.
    """

    measure: str
    flaw: str
    finding: str
    published: float
    ours: float


def class_aurocs(labels: ArrayLike, scores: ArrayLike) -> Scores:
    """Return the AUROC `(F,)` of each class of `labels (N, F)` in 1, 0, -1 (not known, left out) and `scores (N, F)`.

    NaN where only one class is known. Raises `UsageError` where the shapes differ or a score of a known label is NaN.
    """
    truth, said = _checked(labels, scores)
    return np.array([_auroc(truth[:, f], said[:, f]) for f in range(truth.shape[1])])


def mean_auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean AUROC of the classes that have both labels; NaN where none has. Raises as `class_aurocs`."""
    found = class_aurocs(labels, scores)
    return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")


def enough_positives(labels: ArrayLike, least: int) -> NDArray[np.bool_]:
    """Return which classes `(F,)` of `labels (N, F)` have at least `least` positives and one negative."""
    truth = np.asarray(labels)
    found: NDArray[np.bool_] = ((truth == 1).sum(0) >= max(least, 1)) & (truth == 0).any(0)
    return found


def corner_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the published threshold: of 100 steps from 0 to 1, the one whose ROC point is nearest the corner.

    The distance is `sqrt((1 - TPR)^2 + FPR^2)`, a score above the threshold is positive, and of equal distances the
    last step counts, as in the scripts of CT-CLIP and HLIP. `labels (N,)` in 0 and 1, `scores (N,)` in 0 to 1; NaN
    where one class is missing.
    """
    truth, said = np.asarray(labels), np.asarray(scores, float)
    if not ((truth == 1).any() and (truth == 0).any()):
        return float("nan")
    steps = np.linspace(0, 1, _GRID)
    called = said[:, None] > steps
    missed, false = 1 - called[truth == 1].mean(0), called[truth == 0].mean(0)
    distance = np.sqrt(missed**2 + false**2)
    return float(steps[_GRID - 1 - np.argmin(distance[::-1])])


def nested_calls(labels: ArrayLike, scores: ArrayLike, patients: Sequence[str], *, seed: int = 0) -> Scores:
    """Return what is called positive (1, 0) with the threshold of the other folds; folds are of whole patients.

    NaN where the other folds lack a class. `labels (N,)` in 0 and 1, `scores (N,)` in 0 to 1, `patients (N,)`.
    """
    truth, said = np.asarray(labels), np.asarray(scores, float)
    calls = np.full(len(truth), np.nan)
    owners = np.unique(np.asarray(patients), return_inverse=True)[1]
    folds = min(_FOLDS, int(owners.max(initial=-1)) + 1, *np.bincount(truth.astype(int), minlength=2).tolist())
    if folds < 2:
        return calls
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fitted, scored in split.split(said[:, None], truth, owners):
        threshold = corner_threshold(truth[fitted], said[fitted])
        if not np.isnan(threshold):
            calls[scored] = said[scored] > threshold
    return calls


def operating_both_ways(labels: ArrayLike, scores: ArrayLike, patients: Sequence[str], finding: str) -> list[BothWays]:
    """Return accuracy, sensitivity, specificity, precision and F1 of one finding at a threshold, both ways.

    Published: the threshold is chosen on the studies that are scored, and F1 is weighted by class. Ours: it is chosen
    on other patients, and F1 is of the finding. `labels (N,)` in 1, 0, -1 (left out), `scores (N,)` in 0 to 1.
    """
    truth, said = np.asarray(labels), np.asarray(scores, float)
    _check_probabilities(said)
    known = truth >= 0
    truth, said = truth[known], said[known]
    owners = [owner for owner, one in zip(patients, known, strict=True) if one]
    threshold = corner_threshold(truth, said)
    same = np.full(len(truth), np.nan) if np.isnan(threshold) else (said > threshold).astype(float)
    nested = nested_calls(truth, said, owners)
    rows = [
        BothWays(
            name, "threshold_on_scored_data", finding, _measured(name, truth, same), _measured(name, truth, nested)
        )
        for name in ("accuracy", "sensitivity", "specificity", "precision")
    ]
    weighted, own = _measured("weighted F1", truth, same), _measured("F1", truth, nested)
    return [*rows, BothWays("F1", "weighted_f1", finding, weighted, own)]


def one_row_a_group(labels: ArrayLike, scores: ArrayLike, groups: Sequence[str]) -> tuple[Labels, Scores, list[int]]:
    """Return labels and scores of groups (scans of several reconstructions), and of each group its first row.

    A group's score is the mean of its rows' (NaN, where a row has none, counts for nothing), its label what its rows
    say, not known where they contradict each other.
    A row whose group is "" is a group of its own.
    """
    truth, said = np.asarray(labels), np.asarray(scores, float)
    numbers: dict[tuple[str, int], int] = {}
    rows: list[list[int]] = []
    for row, group in enumerate(groups):
        number = numbers.setdefault((group, -1 if group else row), len(rows))
        if number == len(rows):
            rows.append([])
        rows[number].append(row)
    present = np.array([(truth[own] == 1).any(0) for own in rows])
    absent = np.array([(truth[own] == 0).any(0) for own in rows])
    merged: Labels = np.where(present == absent, -1, present).astype(np.int8)
    told = [~np.isnan(said[own]) for own in rows]
    sums = np.array([np.where(there, said[own], 0).sum(0) for own, there in zip(rows, told, strict=True)])
    counts = np.array([there.sum(0) for there in told])
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return merged, means, [own[0] for own in rows]


def negatives_both_ways(labels: ArrayLike, scores: ArrayLike, kinds: Sequence[str], finding: str) -> BothWays:
    """Return the AUROC against films called normal alone (published) and against all that lack the finding (ours).

    `kinds (N,)`: of each film, RSNA's class; those of `Normal` are the normal ones, in any case of letters.
    """
    truth, said = np.asarray(labels), np.asarray(scores, float)
    normal = np.array([kind.strip().casefold() == "normal" for kind in kinds], bool)
    narrow = np.where((truth == 0) & ~normal, -1, truth)
    return BothWays("AUROC", "which_negative", finding, _auroc(narrow, said), _auroc(truth, said))


def zscore_both_ways(labels: ArrayLike, scores: ArrayLike) -> BothWays:
    """Return the accuracy of the best class: scores standardised over the batch (published), and as they are (ours).

    `labels (N, F)`, of which one is 1 in each row that counts; `scores (N, F)`.
    """
    truth, said = _checked(labels, scores)
    single = (truth == 1).sum(1) == 1
    if not single.any():
        raise UsageError("No study has exactly one class; accuracy over classes needs labels that exclude each other.")
    wanted, said = truth[single].argmax(1), said[single]
    spread = said.std(0)
    standard = (said - said.mean(0)) / np.where(spread > 0, spread, 1)
    hits = [float((values.argmax(1) == wanted).mean()) for values in (standard, said)]
    return BothWays("accuracy of the best class", "batch_zscore", "", *hits)


def labels_of_lists(lists: Sequence[Sequence[str]], classes: Sequence[str]) -> tuple[Labels, Labels]:
    """Return labels `(N, F)` of lists of names: a class is there where a name contains it (published), or is it (ours).

    `lists`: of each study the names that its labels list. Case does not matter.
    """
    names = [[name.strip().casefold() for name in one] for one in lists]
    wanted = [one.casefold() for one in classes]
    loose = [[any(one in name for name in row) for one in wanted] for row in names]
    exact = [[one in row for one in wanted] for row in names]
    shape = (len(lists), len(classes))
    return np.array(loose, np.int8).reshape(shape), np.array(exact, np.int8).reshape(shape)


def classes_both_ways(
    protocol: Protocol,
    labels: ArrayLike,
    scores: ArrayLike,
    patients: Sequence[str],
    findings: Sequence[str],
    columns: Mapping[str, Sequence[str]],
) -> list[BothWays]:
    """Return every number of a protocol that its published script computes otherwise than it should be.

    Args:
        protocol: one that classifies or chooses.
        labels: `(N, F)`: 1, 0, or -1 for not known.
        scores: `(N, F)` in 0 to 1, as `screen` gives them.
        patients: `(N,)`: whose the studies are.
        findings: `(F,)`: names of findings, as `LabelTable.findings` has them.
        columns: the label file's further columns; `scan` and `class` are used where they are there.

    Returns:
        A row for each number that is computed in two ways. Where reconstructions are made one, all later rows are of
        scans.

    Raises:
        UsageError: where shapes do not fit, or scores are no probabilities.
    """
    truth, said = _checked(labels, scores)
    kept = (
        enough_positives(truth, protocol.least_positives) if protocol.least_positives else np.full(len(findings), True)
    )
    known = [(f, name) for f, name in enumerate(findings) if kept[f]]
    kinds = {flaw.kind for flaw in protocol.flaws}
    rows: list[BothWays] = []
    if "reconstructions_independent" in kinds and "scan" in columns:
        merged, means, first = one_row_a_group(truth, said, columns["scan"])
        pair = mean_auroc(truth, said), mean_auroc(merged, means)
        rows.append(BothWays("macro AUROC", "reconstructions_independent", "", *pair))
        truth, said, patients = merged, means, [patients[row] for row in first]
    if "fewer_classes" in kinds:
        rows.append(_fewer(protocol, truth, said, findings))
    if "threshold_on_scored_data" in kinds:
        rows += [row for f, name in known for row in operating_both_ways(truth[:, f], said[:, f], patients, name)]
    if "which_negative" in kinds and "class" in columns:
        rows += [negatives_both_ways(truth[:, f], said[:, f], columns["class"], name) for f, name in known]
    if "batch_zscore" in kinds and ((truth == 1).sum(1) == 1).any():
        rows.append(zscore_both_ways(truth, said))
    return rows


def _fewer(protocol: Protocol, truth: NDArray[np.int8], said: Scores, findings: Sequence[str]) -> BothWays:
    out = {
        one.ours().name
        for flaw in protocol.flaws
        for one in protocol.classes
        if flaw.kind == "fewer_classes" and one.name in flaw.without
    }
    some = [f for f, name in enumerate(findings) if name not in out]
    pair = mean_auroc(truth[:, some], said[:, some]), mean_auroc(truth, said)
    return BothWays("macro AUROC", "fewer_classes", "", *pair)


def _measured(name: str, truth: NDArray[np.int8], calls: Scores) -> float:
    told = ~np.isnan(calls)
    if not told.any():
        return float("nan")
    truth, calls = truth[told], calls[told]
    if name == "accuracy":
        return float(accuracy_score(truth, calls))
    if name == "precision":
        return float(precision_score(truth, calls, zero_division=0))
    if name in ("sensitivity", "specificity"):
        return float(recall_score(truth, calls, pos_label=int(name == "sensitivity"), zero_division=0))
    return float(f1_score(truth, calls, average="weighted" if name == "weighted F1" else "binary", zero_division=0))


def _auroc(truth: NDArray[np.int8], said: Scores) -> float:
    known = truth >= 0
    if len(np.unique(truth[known])) < 2:
        return float("nan")
    return float(roc_auc_score(truth[known], said[known]))


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int8], Scores]:
    truth, said = np.asarray(labels, np.int8), np.asarray(scores, float)
    if truth.ndim != 2 or truth.shape != said.shape:
        raise UsageError(f"Labels are {truth.shape} and scores {said.shape}; give (N, F) of both, a score a label.")
    if np.isnan(said[truth >= 0]).any():
        raise UsageError("A score is NaN where the label is known; make labels of studies that abstained -1.")
    return truth, said


def _check_probabilities(said: Scores) -> None:
    if len(said) and (np.nanmin(said) < 0 or np.nanmax(said) > 1):
        raise UsageError("A score lies outside 0 to 1; give the scores of `radseek screen`, not margins.")
