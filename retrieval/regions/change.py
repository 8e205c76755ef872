"""What changed between two studies of one patient, measured the same way in both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from radseek.retrieval.errors import UsageError
from radseek.retrieval.regions.measure import Measurement
from radseek.retrieval.types import Study

__all__ = ["Change", "change", "check_prior"]


_UNITLESS = ("raw", "")


@dataclass(frozen=True, slots=True)
class Change:
    """A quantity in the earlier study and in the later; `absolute` is after less before, `percent` of before.

    `percent` is None where `before` is 0.
    """

    label: str
    quantity: str
    before: float
    after: float
    absolute: float
    percent: float | None
    unit: str


def change(before: Iterable[Measurement], after: Iterable[Measurement]) -> tuple[Change, ...]:
    """Return the change of every quantity that both studies have, by label and quantity, in the order of `after`.

    Words (laterality) do not change by an amount, and "raw" intensities have no unit that two scans share: both are
    left out, and so is a quantity whose unit differs.
    """
    earlier = {(row.label, row.quantity): row for row in before}
    rows: list[Change] = []
    for row in after:
        prior = earlier.get((row.label, row.quantity))
        if (
            prior is None
            or prior.value is None
            or row.value is None
            or row.unit in ("raw", "")
            or prior.unit != row.unit
        ):
            continue
        difference = row.value - prior.value
        percent = 100 * difference / prior.value if prior.value else None
        rows.append(Change(row.label, row.quantity, prior.value, row.value, difference, percent, row.unit))
    return tuple(rows)


def check_prior(study: Study, prior: Study) -> None:
    """Raise `UsageError` where a study cannot be the prior of another: the same one, another patient, or a later one.

    What neither study says (NIfTI names no patient and no date) is not held against them.
    """
    if study.uid == prior.uid and study.content_hash == prior.content_hash:
        raise UsageError("The prior is the study itself; name an earlier study of the same patient.")
    if study.patient_id and prior.patient_id and study.patient_id != prior.patient_id:
        raise UsageError("The prior is of another patient (PatientID differs); name an earlier study of this patient.")
    now, then = study.attributes.get("StudyDate", ""), prior.attributes.get("StudyDate", "")
    if now and then and then > now:
        raise UsageError("The prior is later than the study (StudyDate); exchange the two.")
