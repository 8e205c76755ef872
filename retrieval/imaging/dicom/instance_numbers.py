"""Frames at one position that no key of the header distinguishes: sets by number, by time of day, by folder, by file.

Whole volumes written one after the other show as numbers that come back to a position already met, or that turn
back along the normal; where a position is numbered through first, its lowest number is the first set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from radseek.retrieval.imaging.dicom.positions import Group

__all__ = ["first_numbered", "numbered_sets"]

_CLOCKS: Final = ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")


def first_numbered(group: Group) -> tuple[Group, str]:
    """Return one frame a position, all of one set where sets can be seen, and what they were chosen by."""
    if _distinct(group, _number):
        for sets in numbered_sets(group):
            best = max(sets, key=lambda one: len(one.positions))  # the first of equals
            if best.unique and best.positions == group.positions:
                return best, "lowest InstanceNumber"
        return group.first_each(), "lowest InstanceNumber"
    for clock in _CLOCKS:
        if _distinct(group, lambda group, i, clock=clock: group.frames[i].keys.get(clock, "")):  # type: ignore[misc]
            order = sorted(range(len(group)), key=lambda i: (group.slots[i], group.frames[i].keys.get(clock, "")))
            return _firsts(group, order), f"first {clock}"
    folders = group.by_label([str(frame.path.parent) for frame in group.frames])
    best = max(folders.values(), key=lambda one: len(one.positions))
    if best.unique and best.positions == group.positions:
        return best, "first folder"
    return group.first_each(), "first file"


def numbered_sets(group: Group) -> Iterator[list[Group]]:
    """Yield the ways in which InstanceNumber cuts a group into sets: where a position comes again, and at each turn."""
    order = sorted(range(len(group)), key=lambda i: _number(group, i))
    for cut in (_met_before, _turned_back):
        labels, label = [0] * len(group), 0
        current: list[int] = []
        for i in order:
            if cut(current, group.slots[i]):
                label, current = label + 1, []
            current.append(group.slots[i])
            labels[i] = label
        yield list(group.by_label(labels).values())


def _number(group: Group, i: int) -> tuple[int, int]:
    return group.frames[i].number, group.frames[i].index


def _distinct(group: Group, value: Callable[[Group, int], Any]) -> bool:
    """Whether a value tells every frame at a position from the others there."""
    return len({(group.slots[i], value(group, i)) for i in range(len(group))}) == len(group)


def _met_before(slots: Sequence[int], slot: int) -> bool:
    return slot in slots


def _turned_back(slots: Sequence[int], slot: int) -> bool:
    if len(slots) < 2:
        return slot in slots
    return (slots[1] > slots[0]) != (slot > slots[-1]) or slot == slots[-1]


def _firsts(group: Group, order: Sequence[int]) -> Group:
    seen: dict[int, int] = {}
    for i in order:
        seen.setdefault(group.slots[i], i)
    return group.pick(seen.values())
