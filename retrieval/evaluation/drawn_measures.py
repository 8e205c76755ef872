"""All measures of one finding in every draw of patients: one sort for the areas, one matrix product for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_areas import drawn_areas
from radseek.retrieval.evaluation.operating_points import call_rows, called_measures
from radseek.retrieval.evaluation.patient_draws import PatientDraws, Patients
from radseek.retrieval.evaluation.probability_bins import BINS, Binning, bin_places, check_probabilities
from radseek.retrieval.evaluation.thresholds import ThresholdRule, deal_folds, nested_thresholds

__all__ = ["DrawnMeasures", "FindingRows", "drawn_measures"]


@dataclass(frozen=True, slots=True, eq=False)
class FindingRows:
    """One finding's labels `(N,)` in 1, 0, -1, scores `(N,)` and probabilities `(N,)`, NaN where there is none."""

    labels: NDArray[np.int8]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(
        cls, labels: ArrayLike, scores: ArrayLike, patients: Patients, probabilities: ArrayLike | None = None
    ) -> Iterator[FindingRows]:
        """Return the columns of tables `(N, F)`; raises `UsageError` where they do not fit one another."""
        truth, score = np.asarray(labels), np.asarray(scores, np.float64)
        said = np.full(score.shape, np.nan) if probabilities is None else np.asarray(probabilities, np.float64)
        if truth.ndim != 2 or not truth.shape == score.shape == said.shape or len(truth) != len(patients):
            raise UsageError(
                f"Labels are {truth.shape}, scores {score.shape}, probabilities {said.shape} and patients "
                f"({len(patients)},); give one score, one patient and, if any, one probability a label."
            )
        if not np.isin(truth, (1, 0, -1)).all():
            raise UsageError("A label is not 1, 0 or -1 (present, absent, not known); map the others first.")
        check_probabilities(said[~np.isnan(said)])
        return (cls(truth[:, c].astype(np.int8), score[:, c], said[:, c]) for c in range(truth.shape[1]))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have both a label and a score, `(N,)`."""
        return (self.labels >= 0) & ~np.isnan(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMeasures:
    """A finding's measures in the sample and in R draws, and how its rows were called.

    `values`: `(1 + R,)` a measure, NaN where a draw does not allow it; those of operating points are named
    "rule: measure". `thresholds (folds, rules)`. `called (N, rules)`: present. `judged (N,)`: has a
    label, a score and a fold with thresholds.
    """

    values: Mapping[str, NDArray[np.float64]]
    thresholds: NDArray[np.float64]
    called: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def drawn_measures(
    rows: FindingRows, draws: PatientDraws, rules: Sequence[ThresholdRule], folds: int, seed: int
) -> DrawnMeasures:
    """Return every measure of a finding that has both labels.

    Args:
        rows: labels, scores and probabilities of N rows.
        draws: of the patients who own them.
        rules: how thresholds are chosen.
        folds: of patients; a fold's rows are called by thresholds chosen on the others.
        seed: of the folds.
    """
    known, ill = rows.known, rows.labels == 1
    fold = deal_folds(ill & known, draws.owner, folds=folds, seed=seed)
    thresholds = nested_thresholds(np.where(known, rows.labels, -1), rows.scores, fold, rules)
    called, judged = call_rows(rows.scores, fold, thresholds)
    judged &= known
    marks = {"known": known[:, None], "judged": judged[:, None], "called": called & judged[:, None]}
    columns = {f"{name}, {kind}": mark & one for name, mark in marks.items() for kind, one in _classes(ill).items()}
    sums = _sums(draws, columns | _calibration_columns(rows))
    areas = drawn_areas(rows.labels, rows.scores, draws, known)
    values = {"auroc": areas.auroc, "average_precision": areas.average_precision, **_shares(sums, rules)}
    one_class = np.isnan(areas.auroc)
    values = {name: np.where(one_class, np.nan, drawn) for name, drawn in values.items()}
    return DrawnMeasures(values, thresholds, called, judged)


def _classes(ill: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    return {"ill": ill[:, None], "well": ~ill[:, None]}


def _calibration_columns(rows: FindingRows) -> dict[str, NDArray[np.floating]]:
    """Return what the Brier score and both calibration errors are sums of, `(N, C)` each; nothing where none is said.

    A bin's |mean probability - frequency| times its count is |sum of (probability - label)| over its rows. The bins are
    those of the whole sample: a draw weighs them and does not cut them anew.
    """
    said = rows.known & ~np.isnan(rows.probabilities)
    if not said.any():
        return {}
    excess = np.where(said, rows.probabilities - (rows.labels == 1), 0.0)
    columns = {"said": said[:, None].astype(np.float64), "brier": excess[:, None] ** 2}
    for binning in get_args(Binning):
        place = np.full(len(said), -1)
        place[said] = bin_places(rows.probabilities[said], binning)
        columns[f"ece_{binning}"] = np.where(place[:, None] == np.arange(BINS), excess[:, None], 0.0)
    return columns


def _sums(draws: PatientDraws, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the sums of each entry's columns in every draw, `(1 + R, C)`, in one product."""
    ends = np.cumsum([one.shape[1] for one in columns.values()])[:-1]
    return dict(zip(columns, np.split(draws.sums(np.hstack(list(columns.values()))), ends, axis=1), strict=True))


def _shares(sums: Mapping[str, NDArray[np.float64]], rules: Sequence[ThresholdRule]) -> dict[str, NDArray[np.float64]]:
    """Return the measures that are shares of sums, `(1 + R,)` each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {"prevalence": (sums["known, ill"] / (sums["known, ill"] + sums["known, well"]))[:, 0]}
        if "said" in sums:
            names = ("brier", *(f"ece_{binning}" for binning in get_args(Binning)))
            found |= {name: np.abs(sums[name]).sum(axis=1) / sums["said"][:, 0] for name in names}
    four = (sums[name] for name in ("called, ill", "called, well", "judged, ill", "judged, well"))
    for name, values in called_measures(*four).items():
        found |= {f"{rule}: {name}": values[:, place] for place, rule in enumerate(rules)}
    return found
