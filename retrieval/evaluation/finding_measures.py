"""Everything that can be said of a finding's scores against known labels, and its mean over many findings.

Every interval is over patients. All findings share the same draws of patients, so that their mean has an interval, too,
and what is said of one does not depend on which others are measured. A draw that holds one class only measures nothing:
it is left out and counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_measures import DrawnMeasures, FindingRows, drawn_measures
from radseek.retrieval.evaluation.estimate import Ends, Estimate, estimate_of
from radseek.retrieval.evaluation.operating_points import CALLED_MEASURES, CalledMeasures, OperatingPoint, denominators
from radseek.retrieval.evaluation.patient_draws import PatientDraws, Patients, patient_draws
from radseek.retrieval.evaluation.thresholds import RULES, ThresholdRule, choose_threshold

__all__ = ["FindingMeasures", "MacroMeasures", "TableMeasures", "measure_finding", "measure_findings"]

_THREADS: Final = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class FindingMeasures:
    """What was measured of one finding.

    `images` rows have a label and a score, of `patients` patients; `positives` of them have label 1, of
    `positive_patients`. `unknown` rows have no label and `abstained` ones no score; neither is measured. `left_out`:
    draws with one class only. `average_precision` is to be read beside `prevalence`, which is what chance reaches.
    `calibrated` rows have a probability; without any, `brier` and the calibration errors are None.
    """

    images: int
    patients: int
    positives: int
    positive_patients: int
    unknown: int
    abstained: int
    left_out: int
    prevalence: Estimate
    auroc: Estimate
    average_precision: Estimate
    points: tuple[OperatingPoint, ...]
    calibrated: int
    brier: Estimate | None
    ece_width: Estimate | None
    ece_mass: Estimate | None


@dataclass(frozen=True, slots=True)
class MacroMeasures:
    """Means over `findings` findings, `calibrated` of which have probabilities; `points` by the rule's text.

    A finding that a draw cannot measure is left out of that draw's mean.
    """

    findings: int
    prevalence: Estimate
    auroc: Estimate
    average_precision: Estimate
    points: Mapping[str, CalledMeasures]
    calibrated: int
    brier: Estimate | None
    ece_width: Estimate | None
    ece_mass: Estimate | None


@dataclass(frozen=True, slots=True)
class TableMeasures:
    """The measures of F findings, None for one without both labels, and their mean; None where no finding has both."""

    findings: tuple[FindingMeasures | None, ...]
    macro: MacroMeasures | None


def measure_finding(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: Patients,
    probabilities: ArrayLike | None = None,
    *,
    rules: Sequence[ThresholdRule] = RULES,
    folds: int = 5,
    repeats: int = 1000,
    seed: int = 0,
) -> FindingMeasures:
    """Measure one finding's scores.

    Args:
        labels: `(N,)`: 1 present, 0 absent, -1 not known.
        scores: `(N,)`, higher where the finding is likelier: margins, say; NaN where the engine abstained.
        patients: whose each row is, `(N,)`.
        probabilities: `(N,)` between 0 and 1, NaN where there is none; None: calibration is not measured.
        rules: how thresholds are chosen.
        folds: of patients, for thresholds chosen on others.
        repeats: how many resamples of patients.
        seed: of the resamples and the folds.

    Raises:
        UsageError: no row, rows of different number, labels other than 1, 0 and -1, a probability outside 0 to 1, or
            not both labels.
    """
    truth, score = (np.asarray(one, np.float64)[:, None] for one in (labels, scores))
    said = None if probabilities is None else np.asarray(probabilities, np.float64)[:, None]
    found = measure_findings(truth, score, patients, said, rules=rules, folds=folds, repeats=repeats, seed=seed)
    if found.findings[0] is None:
        raise UsageError("This cannot be measured: it needs rows with label 0 and rows with label 1.")
    return found.findings[0]


def measure_findings(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: Patients,
    probabilities: ArrayLike | None = None,
    *,
    rules: Sequence[ThresholdRule] = RULES,
    folds: int = 5,
    repeats: int = 1000,
    seed: int = 0,
) -> TableMeasures:
    """Measure the scores of F findings on the same draws of patients: `measure_finding` of each column, and their mean.

    Args:
        labels: `(N, F)`, as `LabelTable.values`.
        scores: `(N, F)`, as `StoredMargins.margins`.
        patients: whose each row is, `(N,)`.
        probabilities: `(N, F)`, or None.
        rules: how thresholds are chosen.
        folds: of patients, for thresholds chosen on others.
        repeats: how many resamples of patients.
        seed: of the resamples and the folds.

    Raises:
        UsageError: no row, arrays of different shapes, labels other than 1, 0 and -1, or a probability outside 0 to 1.
    """
    rows = FindingRows.of(labels, scores, patients, probabilities)
    draws = patient_draws(patients, repeats=repeats, seed=seed)
    mean = _Mean(draws)

    def measured(one: FindingRows) -> tuple[FindingMeasures, DrawnMeasures] | None:
        if len(np.unique(one.labels[one.known])) < 2:
            return None
        drawn = drawn_measures(one, draws, rules, folds, seed)
        return _finding_measures(one, drawn, draws, rules), drawn

    found: list[FindingMeasures | None] = []
    with ThreadPoolExecutor(_THREADS) as pool:  # NumPy works outside Python's lock; the order stays
        while group := list(islice(rows, _THREADS)):
            for one in pool.map(measured, group):
                found.append(one and one[0])
                if one:
                    mean.add(one[1])
    return TableMeasures(tuple(found), mean.measures(rules))


def _finding_measures(
    rows: FindingRows, drawn: DrawnMeasures, draws: PatientDraws, rules: Sequence[ThresholdRule]
) -> FindingMeasures:
    known, ill, judged = rows.known, rows.known & (rows.labels == 1), drawn.judged
    said = known & ~np.isnan(rows.probabilities)
    rarer = draws.rarer(ill, known & ~ill)

    def over(marked: NDArray[np.bool_]) -> Callable[[str], Estimate]:
        size = int(marked.sum()), draws.owners_of(marked)
        return lambda name: estimate_of(drawn.values[name], *size, _ends_of(name), rarer=rarer)

    of_known, of_said = over(known), over(said)

    def of_called(rule: ThresholdRule, called: NDArray[np.bool_]) -> CalledMeasures:
        found = {}
        for name, rows_of in denominators(ill & judged, ~ill & judged, called).items():
            drawn_of, size = drawn.values[f"{rule}: {name}"], (int(rows_of.sum()), draws.owners_of(rows_of))
            both = name in ("f1", "balanced_accuracy")  # of positives and negatives alike
            found[name] = estimate_of(drawn_of, *size, rarer=rarer if both else None)
        return CalledMeasures(**found)

    points = tuple(
        OperatingPoint(
            rule,
            choose_threshold(rows.labels[known], rows.scores[known], rule),
            tuple(drawn.thresholds[:, place].tolist()),
            *_confusion(ill, judged, drawn.called[:, place]),
            int((known & ~judged).sum()),
            of_called(rule, drawn.called[:, place]),
        )
        for place, rule in enumerate(rules)
    )
    return FindingMeasures(
        images=int(known.sum()),
        patients=draws.owners_of(known),
        positives=int(ill.sum()),
        positive_patients=draws.owners_of(ill),
        unknown=int((rows.labels < 0).sum()),
        abstained=int(((rows.labels >= 0) & ~known).sum()),
        left_out=int(np.isnan(drawn.values["auroc"][1:]).sum()),
        prevalence=of_known("prevalence"),
        auroc=of_known("auroc"),
        average_precision=of_known("average_precision"),
        points=points,
        calibrated=int(said.sum()),
        brier=of_said("brier") if "brier" in drawn.values else None,
        ece_width=of_said("ece_width") if "ece_width" in drawn.values else None,
        ece_mass=of_said("ece_mass") if "ece_mass" in drawn.values else None,
    )


def _ends_of(name: str) -> Ends:
    """Return how a measure's interval is found: a calibration error is 0 at best, all others are shares."""
    return "error" if name.startswith("ece") else "share"


def _confusion(
    ill: NDArray[np.bool_], judged: NDArray[np.bool_], called: NDArray[np.bool_]
) -> tuple[int, int, int, int]:
    """Return true positives, false positives, false negatives and true negatives."""
    kinds = (ill & called, ~ill & called, ill & ~called, ~ill & ~called)
    true, false, missed, spared = (int((kind & judged).sum()) for kind in kinds)
    return true, false, missed, spared


class _Mean:
    """Running means over findings of every measure in every draw."""

    def __init__(self, draws: PatientDraws) -> None:
        self._draws = draws
        self._findings = self._calibrated = 0
        self._totals: dict[str, NDArray[np.float64]] = {}
        self._numbers: dict[str, NDArray[np.int64]] = {}

    def add(self, drawn: DrawnMeasures) -> None:
        """Count one finding in."""
        self._findings += 1
        self._calibrated += "brier" in drawn.values
        for name, values in drawn.values.items():
            known = ~np.isnan(values)
            self._totals[name] = self._totals.get(name, 0.0) + np.where(known, values, 0.0)
            self._numbers[name] = self._numbers.get(name, 0) + known

    def measures(self, rules: Sequence[ThresholdRule]) -> MacroMeasures | None:
        """Return the means, None where no finding was counted in."""
        if not self._findings:
            return None
        points = {
            str(rule): CalledMeasures(*(self._estimate(f"{rule}: {name}") for name in CALLED_MEASURES))
            for rule in rules
        }
        brier, width, mass = (
            self._estimate(name) if self._calibrated else None for name in ("brier", "ece_width", "ece_mass")
        )
        return MacroMeasures(
            findings=self._findings,
            prevalence=self._estimate("prevalence"),
            auroc=self._estimate("auroc"),
            average_precision=self._estimate("average_precision"),
            points=points,
            calibrated=self._calibrated,
            brier=brier,
            ece_width=width,
            ece_mass=mass,
        )

    def _estimate(self, name: str) -> Estimate:
        with np.errstate(invalid="ignore"):
            means = self._totals[name] / self._numbers[name]
        return estimate_of(means, len(self._draws.owner), self._draws.patients, _ends_of(name))
