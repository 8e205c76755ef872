"""One finding on one kind of study, from margins and labels to a calibrator: fitted, thresholded and checked apart.

Patients are dealt into three parts, so that no part of a patient is on two sides: half of them fit the probability, a
quarter chooses thresholds, a quarter checks both and is used for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score

from radseek.retrieval.encoders.spec import canonical_hash
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.checked_points import CheckedPoint, choose_points
from radseek.retrieval.evaluation.conformal import accepted, conformal_thresholds
from radseek.retrieval.evaluation.labelled_margins import FitKind
from radseek.retrieval.evaluation.metrics import Estimate, auroc, calibration_error
from radseek.retrieval.evaluation.probability_fits import FEWEST, Method, fit_probability, method_for
from radseek.retrieval.evaluation.thresholds import ThresholdRule, patient_folds
from radseek.retrieval.scoring.own_calibration import AcceptedFrom
from radseek.retrieval.scoring.probability_maps import LogisticMap, ProbabilityMap
from radseek.retrieval.scoring.states import conformal_state

__all__ = [
    "PARTS",
    "Aims",
    "CalibrationCheck",
    "Fit",
    "FittedRow",
    "LabelledGroup",
    "Unfit",
    "fit_group",
    "three_parts",
]

PARTS = ("fit", "thresholds", "check")
_PART_OF = (0, 1, 0, 2)  # four folds of patients: half fit, a quarter chooses thresholds, a quarter checks
_REPEATS = 200  # of the bootstrap that says whether margins follow labels at all

UnfitReason = Literal["few_present", "few_absent", "not_ordered"]


@dataclass(frozen=True, slots=True)
class Aims:
    """What is asked of a calibration: a coverage, and targets of operating points where some are wanted.

    Raises `UsageError` for what is no share. `seed`: of the order in which patients are dealt to the parts.
    """

    coverage: float = 0.9
    sensitivity: float | None = None
    specificity: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("coverage", "sensitivity", "specificity"):
            share = getattr(self, name)
            if share is not None and not 0 < share < 1:
                raise UsageError(f"A {name} is a share between 0 and 1, such as 0.9; {share} is not.")

    @property
    def rules(self) -> tuple[ThresholdRule, ...]:
        """Return the rules of the operating points: Youden's, and one for each target."""
        wanted: tuple[tuple[Literal["sensitivity", "specificity"], float | None], ...]
        wanted = (("sensitivity", self.sensitivity), ("specificity", self.specificity))
        return (ThresholdRule("youden"), *(ThresholdRule(name, one) for name, one in wanted if one is not None))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGroup:
    """N labelled studies of one kind for one finding: `studies` and `patients` their keys, `margins (N,)` what was read
    and `labels (N,)` 0 or 1; `scale` the encoder's logit scale, by which a score was squashed before there was a fit.
    """

    studies: tuple[str, ...]
    patients: tuple[str, ...]
    margins: NDArray[np.float64]
    labels: NDArray[np.int8]
    scale: float = 1.0

    def counts(self, rows: NDArray[np.intp] | None = None) -> dict[str, int]:
        """Return how many studies, patients and present there are, of all or of some rows."""
        chosen = np.arange(len(self.labels)) if rows is None else rows
        owners = {self.patients[i] for i in chosen}
        return {"studies": len(chosen), "patients": len(owners), "present": int(self.labels[chosen].sum())}

    def data_hash(self, seed: int) -> str:
        """Return the hash of which studies of which patients had which labels, and of the seed that dealt them."""
        rows = sorted(zip(self.studies, self.patients, self.labels.tolist(), strict=True))
        return canonical_hash([seed, rows])


@dataclass(frozen=True, slots=True)
class CalibrationCheck:
    """What a calibration achieved on patients that it never saw: before (the squashed score) and after.

    `present_covered`, `absent_covered`: the share of each label's studies whose label its threshold did not reject;
    `decided`: the share of all that was called present or absent.
    """

    auroc_before: float
    auroc: float
    ece_before: float
    ece: float
    brier_before: float
    brier: float
    present_covered: float
    absent_covered: float
    decided: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibrator of one group: the map, thresholds, operating points, and how all of them did on the check part."""

    method: Method
    map: ProbabilityMap
    accepted: AcceptedFrom
    points: tuple[CheckedPoint, ...]
    parts: dict[str, dict[str, int]]
    area: Estimate
    check: CalibrationCheck


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a group has no calibrator: a stable word and a sentence."""

    reason: UnfitReason
    message: str
    area: Estimate | None = None


def three_parts(patients: Sequence[str], labels: NDArray[np.int8], seed: int) -> tuple[NDArray[np.intp], ...]:
    """Return the rows of each of `PARTS`: patients dealt in turn, those with a present study first, by seed.

    Args:
        patients: whose each of N studies is.
        labels: `(N,)` in 0, 1.
        seed: of the order in which patients are dealt.

    Returns:
        Rows to fit on, to choose thresholds on, and to check on; of no patient in two of them.
    """
    part = np.array(_PART_OF)[patient_folds(labels, patients, folds=len(_PART_OF), seed=seed)]
    return tuple(np.flatnonzero(part == i) for i in range(len(PARTS)))


def fit_group(group: LabelledGroup, aims: Aims) -> Fit | Unfit:
    """Fit a calibrator to a group, or say why not.

    Refused where the part that fits has fewer than ten of either answer, where another part has none of one, and where
    the margins do not follow the labels: the interval of their AUROC reaches 0.5. Such a fit would give every study the
    share of present ones, and thresholds on it would call the lowest tenth of nothing absent.
    """
    fit, choose, check = three_parts(group.patients, group.labels, aims.seed)
    few = _too_few(group, (fit, choose, check))
    if few is not None:
        return few
    area = auroc(group.labels[fit], group.margins[fit], [group.patients[i] for i in fit], repeats=_REPEATS)
    if not area.low > 0.5:
        return Unfit(
            "not_ordered",
            f"margins do not tell present from absent (AUROC {area}); ask in other words, or with another encoder",
            area,
        )
    method = method_for(group.labels[fit])
    mapped = fit_probability(method, group.margins[fit], group.labels[fit])
    said = mapped.of(group.margins)
    thresholds = conformal_thresholds(group.labels[choose], said[choose], aims.coverage)
    points = choose_points(aims.rules, (group.labels[choose], said[choose]), (group.labels[check], said[check]))
    parts = {name: group.counts(rows) for name, rows in zip(PARTS, (fit, choose, check), strict=True)}
    return Fit(method, mapped, thresholds, tuple(points), parts, area, _check(group, check, said[check], thresholds))


def _too_few(group: LabelledGroup, parts: Sequence[NDArray[np.intp]]) -> Unfit | None:
    answers: tuple[tuple[int, UnfitReason, str], ...] = ((1, "few_present", "present"), (0, "few_absent", "absent"))
    for label, reason, word in answers:
        found = [int((group.labels[rows] == label).sum()) for rows in parts]
        if found[0] < FEWEST or not all(found):
            there = int((group.labels == label).sum())
            return Unfit(
                reason,
                f"{there} studies are {word}, of which {found[0]} would fit, {found[1]} choose thresholds and "
                f"{found[2]} check; {FEWEST} must fit, so label at least {2 * FEWEST} {word} ones, of as many patients",
            )
    return None


def _check(
    group: LabelledGroup, rows: NDArray[np.intp], said: NDArray[np.float64], thresholds: AcceptedFrom
) -> CalibrationCheck:
    labels = group.labels[rows]
    before = LogisticMap(group.scale, 0.0).of(group.margins[rows])
    covered = accepted(thresholds, labels, said)
    states = [conformal_state(float(one), thresholds) for one in said]
    return CalibrationCheck(
        auroc_before=float(roc_auc_score(labels, group.margins[rows])),
        auroc=float(roc_auc_score(labels, said)),
        ece_before=calibration_error(labels, before),
        ece=calibration_error(labels, said),
        brier_before=float(brier_score_loss(labels, before)),
        brier=float(brier_score_loss(labels, said)),
        present_covered=float(covered[labels == 1].mean()),
        absent_covered=float(covered[labels == 0].mean()),
        decided=float(np.mean([one != "uncertain" for one in states])),
    )


@dataclass(frozen=True, slots=True)
class FittedRow:
    """One finding on one kind of study as a row of the answer, and, where fitted, as an entry of the index."""

    finding: str
    words: str
    kind: FitKind
    views: tuple[str, ...]
    counts: dict[str, int]
    data: str
    not_told_apart: bool | None
    coverage: float
    found: Fit | Unfit

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values; of what was not fitted the numbers are None, and `reason` says why."""
        fit, unfit = (self.found, None) if isinstance(self.found, Fit) else (None, self.found)
        area = self.found.area
        return {
            "finding": self.finding,
            "words": self.words,
            **asdict(self.kind),
            "views": list(self.views),
            **self.counts,
            "data": self.data,
            "method": None if fit is None else fit.method,
            "reason": None if unfit is None else unfit.reason,
            "message": None if unfit is None else unfit.message,
            "auroc": None if area is None else {"value": area.value, "low": area.low, "high": area.high},
            "not_told_apart": self.not_told_apart,
            "parts": None if fit is None else fit.parts,
            "map": None if fit is None else fit.map.to_dict(),
            "conformal": None if fit is None else self._conformal(fit),
            "operating_points": [] if fit is None else [one.to_dict() for one in fit.points],
            "check": None if fit is None else asdict(fit.check),
        }

    def _conformal(self, fit: Fit) -> dict[str, float]:
        found = fit.accepted
        return {"coverage": self.coverage, "present_from": found.present, "absent_to": found.absent}
