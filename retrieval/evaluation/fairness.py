"""Does a finding's score serve everybody alike? Measures group by group, at the one threshold that all share.

A score may rank each group well and still miss more of one: the threshold is chosen once, on other folds of patients,
and each group is judged by it (the "underdiagnosis" audit of Seyyed-Kalantari 2021). A group of too few patients of
either answer says nothing and could name somebody: it is counted and not shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_measures import DrawnMeasures, FindingRows, drawn_measures
from radseek.retrieval.evaluation.estimate import Ends, Estimate, estimate_of
from radseek.retrieval.evaluation.operating_points import called_measures
from radseek.retrieval.evaluation.patient_draws import PatientDraws
from radseek.retrieval.evaluation.thresholds import ThresholdRule

__all__ = ["FEWEST_OF_A_GROUP", "UNKNOWN_GROUP", "GroupAudit", "GroupMeasures", "age_band", "audit_groups", "crossed"]

FEWEST_OF_A_GROUP: Final = 5  # patients with the finding, and patients without it
UNKNOWN_GROUP: Final = "unknown"
_FOLDS: Final = 5
_BANDS: Final = ((18, "under 18"), (40, "18 to 39"), (60, "40 to 59"), (80, "60 to 79"))
_OLDEST_BAND: Final = "80 and over"


@dataclass(frozen=True, slots=True)
class GroupMeasures:
    """One group: how many studies and patients with a label and a score, and what was measured of them.

    `sensitivity`, `miss_rate` (FNR) and `false_alarm_rate` (FPR) are at the threshold that all groups share; `ece` is
    None without probabilities.
    """

    group: str
    studies: int
    patients: int
    positives: int
    auroc: Estimate
    sensitivity: Estimate
    miss_rate: Estimate
    false_alarm_rate: Estimate
    ece: Estimate | None


@dataclass(frozen=True, slots=True)
class GroupAudit:
    """A finding by the groups of one column: those shown, how many were too small, and the largest gap of each measure.

    `gaps`: the largest value less the smallest over the groups shown, with its interval over patients; empty where
    there are fewer than two.
    """

    column: str
    rule: str
    groups: tuple[GroupMeasures, ...]
    too_small: int
    studies_too_small: int
    gaps: Mapping[str, Estimate]


def age_band(age: object) -> str:
    """Return the band of an age in years, "" where there is none.

    >>> age_band(17), age_band("60"), age_band(81), age_band(None)
    ('under 18', '60 to 79', '80 and over', '')
    """
    try:
        years = float(str(age))
    except ValueError:
        return ""
    if not 0 <= years < math.inf:  # NaN, as a table writes what is not known, is in no band
        return ""
    return next((band for under, band in _BANDS if years < under), _OLDEST_BAND)


def crossed(columns: Sequence[Sequence[str]]) -> list[str]:
    """Return the groups of several columns at once, as in "F, 60 to 79"; "" where one of them is not known."""
    return [", ".join(values) if all(values) else "" for values in zip(*columns, strict=True)]


def audit_groups(
    rows: FindingRows,
    draws: PatientDraws,
    column: str,
    groups: Sequence[str],
    rule: ThresholdRule = ThresholdRule("youden"),  # noqa: B008 - frozen
    *,
    fewest: int = FEWEST_OF_A_GROUP,
    seed: int = 0,
) -> GroupAudit:
    """Measure one finding in each group.

    Args:
        rows: its labels, scores and probabilities, N rows that hold both labels.
        draws: resamples of the patients who own them.
        column: what the groups are of, such as "sex".
        groups: of each row, `(N,)`; "" is not known, a group of its own.
        rule: how the shared threshold is chosen, on other folds of patients than those it judges.
        fewest: patients with the finding, and patients without it, under which a group is not shown.
        seed: of the folds.

    Raises:
        UsageError: groups and rows differ in number.
    """
    named = np.asarray([one or UNKNOWN_GROUP for one in groups])
    if len(named) != len(rows.labels):
        raise UsageError(f"There are {len(named)} groups of '{column}' for {len(rows.labels)} rows; give one a row.")
    whole = drawn_measures(rows, draws, [rule], _FOLDS, seed)
    shown: list[GroupMeasures] = []
    drawn: list[Mapping[str, NDArray[np.float64]]] = []
    small = [0, 0]
    for group in sorted(set(named.tolist()), key=lambda one: (one == UNKNOWN_GROUP, one)):
        inside = (named == group) & rows.known
        sizes = [draws.owners_of(inside & (rows.labels == label)) for label in (0, 1)]
        if min(sizes) < fewest:
            small[0] += bool(inside.any())
            small[1] += int(inside.sum())
            continue
        values = _drawn(rows, inside, whole, draws, seed)
        drawn.append(values)
        shown.append(_measures(group, rows, inside, draws, values))
    return GroupAudit(column, str(rule), tuple(shown), small[0], small[1], _gaps(drawn, rows, draws))


def _drawn(
    rows: FindingRows, inside: NDArray[np.bool_], whole: DrawnMeasures, draws: PatientDraws, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Return the measures of one group in the sample and in every draw, `(1 + R,)` each."""
    alone = FindingRows(np.where(inside, rows.labels, -1).astype(np.int8), rows.scores, rows.probabilities)
    own = drawn_measures(alone, draws, [ThresholdRule("youden")], _FOLDS, seed).values
    ill, judged, called = rows.labels == 1, inside & whole.judged, whole.called[:, 0]
    counted = (judged & called & ill, judged & called & ~ill, judged & ill, judged & ~ill)
    sums = draws.sums(np.stack(counted, axis=1).astype(np.float64))
    shares = called_measures(*(sums[:, place] for place in range(4)))
    return {
        "auroc": own["auroc"],
        "sensitivity": shares["sensitivity"],
        "miss_rate": 1 - shares["sensitivity"],
        "false_alarm_rate": 1 - shares["specificity"],
        **({"ece": own["ece_width"]} if "ece_width" in own else {}),
    }


def _measures(
    group: str,
    rows: FindingRows,
    inside: NDArray[np.bool_],
    draws: PatientDraws,
    values: Mapping[str, NDArray[np.float64]],
) -> GroupMeasures:
    ill, well = inside & (rows.labels == 1), inside & (rows.labels == 0)
    shares = {"sensitivity": ill, "miss_rate": ill, "false_alarm_rate": well}

    def estimated(name: str, drawn: NDArray[np.float64]) -> Estimate:
        of = shares.get(name, inside)
        rarer = None if name in shares else draws.rarer(ill, well)
        ends: Ends = "error" if name == "ece" else "share"
        return estimate_of(drawn, int(of.sum()), draws.owners_of(of), ends, rarer=rarer)

    found = {name: estimated(name, drawn) for name, drawn in values.items()}
    size = int(inside.sum()), draws.owners_of(inside)
    return GroupMeasures(
        group=group,
        studies=size[0],
        patients=size[1],
        positives=int((inside & (rows.labels == 1)).sum()),
        auroc=found["auroc"],
        sensitivity=found["sensitivity"],
        miss_rate=found["miss_rate"],
        false_alarm_rate=found["false_alarm_rate"],
        ece=found.get("ece"),
    )


def _gaps(
    drawn: Sequence[Mapping[str, NDArray[np.float64]]], rows: FindingRows, draws: PatientDraws
) -> dict[str, Estimate]:
    if len(drawn) < 2:
        return {}
    size = int(rows.known.sum()), draws.owners_of(rows.known)
    names = [name for name in drawn[0] if all(name in one for one in drawn) and name != "sensitivity"]
    stacked = {name: np.stack([one[name] for one in drawn]) for name in names}
    # A gap is 0 at best, and noise alone makes one.
    return {name: estimate_of(np.ptp(values, axis=0), *size, "error") for name, values in stacked.items()}
