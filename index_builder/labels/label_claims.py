"""From the cells of a table of labels to what its rows say of each study: present, absent, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.labels.cell_columns import CellColumns
from radseek.index_builder.labels.label_columns import LabelLayout, LabelNames
from radseek.index_builder.labels.label_values import Cell, cell_says, list_items
from radseek.prompts.catalogue import suggest
from radseek.prompts.finding import Finding

__all__ = ["Claims", "find_claims"]

_NAMED: Final = 3  # of each kind that a note names

Policy = Mapping[Cell, bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """What rows say of N studies and F findings: `present` and `absent` `(N, F)`."""

    findings: tuple[Finding, ...]
    present: NDArray[np.bool_]
    absent: NDArray[np.bool_]


def find_claims(
    table: CellColumns,
    layout: LabelLayout,
    names: LabelNames,
    policy: Policy,
    owner: Sequence[int],
    note: Callable[[str], None],
) -> Claims:
    """Return what a table's rows say; `owner (rows,)` is the number of each row's study, from 0 upwards.

    `policy`: what each kind of cell counts as. `note` is called with names that mean no finding and cells that are no
    label.
    """
    if layout.label:
        return _long(table, layout, names, policy, owner, note)
    if layout.names:
        return _lists(table, layout, names, policy, owner, note)
    return _wide(table, layout, names, policy, owner, note)


class _Ledger:
    """Claims in the making."""

    def __init__(self, findings: Iterable[Finding], owner: Sequence[int], policy: Policy) -> None:
        self.findings = tuple(findings)
        self._place = {finding.name: number for number, finding in enumerate(self.findings)}
        self._policy = policy
        shape = (max(owner, default=-1) + 1, len(self.findings))
        self.present, self.absent = np.zeros(shape, bool), np.zeros(shape, bool)
        self.strange: Counter[str] = Counter()

    def put(self, study: int, finding: Finding, cell: str) -> None:
        """Enter what one cell says; one that is no label says nothing, and is counted."""
        says = cell_says(cell)
        if says is None:
            self.strange[cell] += 1
            return
        value = self._policy[says]
        if value is not None:
            (self.present if value else self.absent)[study, self._place[finding.name]] = True

    def place(self, finding: Finding) -> int:
        """Return the number of a finding's column."""
        return self._place[finding.name]

    def closed(self, note: Callable[[str], None]) -> Claims:
        """Return the claims, once it was said which cells were no label."""
        if self.strange:
            shown = _listing(repr(cell) for cell, _ in self.strange.most_common())
            note(f"{self.strange.total()} cells are no label and say nothing: {shown}; write 1, 0, -1 or nothing")
        return Claims(self.findings, self.present, self.absent)


def _long(
    table: CellColumns,
    layout: LabelLayout,
    names: LabelNames,
    policy: Policy,
    owner: Sequence[int],
    note: Callable[[str], None],
) -> Claims:
    cells = [cell.strip() for cell in table.cells[layout.finding]]
    meant = names.meant(dict.fromkeys(cells))
    _note_unmatched(names, [cell for cell in cells if cell not in meant], note)
    ledger = _Ledger(names.ordered(meant.values()), owner, {**policy, "empty": None})
    for study, cell, label in zip(owner, cells, table.cells[layout.label], strict=True):
        if cell in meant:
            ledger.put(study, meant[cell], label)
    return ledger.closed(note)


def _wide(
    table: CellColumns,
    layout: LabelLayout,
    names: LabelNames,
    policy: Policy,
    owner: Sequence[int],
    note: Callable[[str], None],
) -> Claims:
    ledger = _Ledger(names.ordered(layout.wide.values()), owner, policy)
    for heading, finding in layout.wide.items():
        for study, cell in zip(owner, table.cells[heading], strict=True):
            ledger.put(study, finding, cell)
    for heading in () if names.are_fixed else layout.unmatched:
        note(
            f"the column {heading!r} holds 1, 0 and -1 and its heading means no finding{suggest(heading)}; it is kept "
            "as text"
        )
    return ledger.closed(note)


def _lists(
    table: CellColumns,
    layout: LabelLayout,
    names: LabelNames,
    policy: Policy,
    owner: Sequence[int],
    note: Callable[[str], None],
) -> Claims:
    lists = [[] if cell_says(cell) == "empty" else list_items(cell) for cell in table.cells[layout.names]]
    meant = names.meant(dict.fromkeys(item for items in lists for item in items))
    _note_unmatched(names, [item for items in lists for item in items if item not in meant], note)
    ledger = _Ledger(names.ordered(meant.values()), owner, policy)
    whole: dict[int, list[str]] = {}
    for study, items in zip(owner, lists, strict=True):
        whole.setdefault(study, []).extend(items)  # a row a finding says together what a list says
    for study, items in whole.items():
        listed = [ledger.place(meant[item]) for item in items if item in meant]
        ledger.present[study, listed] = True
        if items or policy["empty"] is False:  # a list names all there is
            others = np.ones(len(ledger.findings), bool)
            others[listed] = False
            ledger.absent[study] |= others
    note(f"{layout.names!r} lists what is there: a finding that a study's list does not name is taken as absent")
    return ledger.closed(note)


def _note_unmatched(names: LabelNames, unmatched: Sequence[str], note: Callable[[str], None]) -> None:
    """Say which names mean no finding, the most frequent first; a protocol leaves names out on purpose."""
    if unmatched and not names.are_fixed:
        counts = Counter(unmatched)
        shown = _listing(f"{name!r} ({count} times{suggest(name)})" for name, count in counts.most_common())
        note(f"{len(counts)} names mean no finding of the catalogue and are left out: {shown}")


def _listing(shown: Iterable[str]) -> str:
    words = list(shown)
    return f"{', '.join(words[:_NAMED])}{', …' if len(words) > _NAMED else ''}"
