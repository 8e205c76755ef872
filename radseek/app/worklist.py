"""The worklist: which study to look at first, by the highest calibrated probability of an abnormal finding.

Raw margins are never compared across findings: a study of which nothing is calibrated is listed after the others, and
its row says so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from radseek.retrieval.document import NOTICE
from radseek.retrieval.index.store import Case
from radseek.retrieval.scoring.states import State

__all__ = ["NOT_ABNORMAL", "Screened", "WorklistRow", "sort_worklist", "worklist_csv", "worklist_row"]

NOT_ABNORMAL: Final = frozenset({"no_finding", "medical_material", "support_devices"})
Gap = Literal["", "no_set", "uncalibrated"]  # why a row has no probability
_COLUMNS: Final = (
    "rank", "study", "modality", "body_part", "sex", "age", "path",
    "set", "finding", "probability", "state", "key_slice", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Screened:
    """What is kept of one finding's score of a stored study."""

    finding: str
    state: State
    probability: float | None
    series: str | None
    view: str | None
    key_slice: int | None


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """A stored study and the abnormal finding that is likeliest in it; `gap` says why none is named.

    `finding_set` fits the study, None where none does; `key_slice`: zero-based Z of the Volume of `series`.
    """

    study: str
    modality: str
    body_part: str
    sex: str
    age: int | None
    path: str | None
    finding_set: str | None
    finding: str | None
    probability: float | None
    state: State | None
    series: str | None
    view: str | None
    key_slice: int | None
    gap: Gap


def worklist_row(case: Case, finding_set: str | None, screened: Sequence[Screened]) -> WorklistRow:
    """Return a study's row from its scores; of equal probabilities the finding first asked wins."""
    abnormal = [one for one in screened if one.finding not in NOT_ABNORMAL and one.probability is not None]
    top = max(abnormal, key=lambda one: one.probability or 0.0, default=None)
    gap: Gap = "" if top else ("uncalibrated" if finding_set else "no_set")
    age = case.attributes.get("age")
    return WorklistRow(
        study=case.key,
        modality="/".join(dict.fromkeys(one.modality for one in case.series)),
        body_part="/".join(dict.fromkeys(one.body_part for one in case.series)),
        sex=str(case.attributes.get("sex", "")),
        age=age if isinstance(age, int) else None,
        path=case.path,
        finding_set=finding_set,
        finding=top.finding if top else None,
        probability=top.probability if top else None,
        state=top.state if top else None,
        series=top.series if top else None,
        view=top.view if top else None,
        key_slice=top.key_slice if top else None,
        gap=gap,
    )


def sort_worklist(rows: Iterable[WorklistRow]) -> list[WorklistRow]:
    """Return the rows by falling probability, those without one last; ties by study key."""
    return sorted(rows, key=lambda row: (row.probability is None, -(row.probability or 0.0), row.study))


def worklist_csv(rows: Iterable[WorklistRow]) -> str:
    """Return the worklist as CSV, in the order given, under a line that says what it is not for."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((f"# {NOTICE} Sorted by calibrated probability; rows without one are last.",))
    writer.writerow(_COLUMNS)
    for rank, row in enumerate(rows, 1):
        chance = "" if row.probability is None else f"{row.probability:.4f}"
        age = "" if row.age is None else row.age
        place = "" if row.key_slice is None else row.key_slice
        cells = (
            rank, row.study, row.modality, row.body_part, row.sex, age, row.path or "", row.finding_set or "",
            row.finding or "", chance, row.state or "", place, row.gap,
        )  # fmt: skip
        writer.writerow([_inert(cell) for cell in cells])
    return out.getvalue()


def _inert(cell: object) -> object:
    """A spreadsheet must not take a cell for a formula: file names are other people's words."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell
