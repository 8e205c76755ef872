"""Verdicts as labels: a table of `study, finding, label`, as the page offers it for download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from radseek.app.verdicts import Verdict, latest

__all__ = ["Label", "Labels", "labels_csv", "labels_of"]


@dataclass(frozen=True, slots=True)
class Label:
    """1: the finding is there; 0: it is not."""

    study: str
    finding: str
    label: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in order of study and finding. `disputed`: how many readers see differently; `unsure`: nobody decided."""

    labels: tuple[Label, ...]
    disputed: int
    unsure: int


def labels_of(verdicts: Iterable[Verdict]) -> Labels:
    """Return the labels that verdicts fix, each reader's last word counting.

    Agreeing with a claim makes it the label, disagreeing its opposite. Readers who contradict each other fix none.
    """
    said: dict[tuple[str, str], set[int]] = {}
    for one in latest(verdicts):
        values = said.setdefault((one.study, one.finding), set())
        if one.verdict != "unsure":
            values.add(int((one.claim == "present") == (one.verdict == "agree")))
    fixed = (Label(study, finding, *values) for (study, finding), values in sorted(said.items()) if len(values) == 1)
    counts = [len(values) for values in said.values()]
    return Labels(tuple(fixed), counts.count(2), counts.count(0))


def labels_csv(labels: Iterable[Label]) -> str:
    """Return the labels file: `study,finding,label`. Notes and readers stay in the log."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("study", "finding", "label"))
    writer.writerows((one.study, one.finding, one.label) for one in labels)
    return out.getvalue()
