"""One key at a time: which of the sets that a key distinguishes is read, and what becomes of the others.

The set that covers most positions is read, the first in order among equals. A set of the same kind lends the
positions that it lacks, as long as the distance between slices stays one; a set with positions of its own that cannot
give them is a volume of its own; the rest is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from radseek.retrieval.imaging.dicom.complex_part import PARTS, part_in_type
from radseek.retrieval.imaging.dicom.header_values import as_number
from radseek.retrieval.imaging.dicom.positions import Group
from radseek.retrieval.imaging.dicom.split_keys import Key, Role

__all__ = ["Narrowed", "magnitude_of", "narrow", "parted"]

COVERAGE: Final = 0.5  # a value that covers less of the positions does not distinguish sets, unless it is a block
BLOCK: Final = 3  # slices; shorter blocks are the ticks of a counter
NEARLY: Final = 0.9  # of the positions: a better kind of image is read although it lacks a few


@dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """`kept`: what goes on; `apart`: sets that are volumes of their own, with names; `warning`: about the others."""

    kept: Group
    name: str
    apart: tuple[tuple[str, Group], ...] = ()
    warning: str = ""


def magnitude_of(group: Group) -> Narrowed | None:
    """Keep the magnitude images of a group that holds other parts of complex ones; None where there is no choice."""
    parts = [frame.keys.get("ComplexImageComponent", "") for frame in group.frames]
    others = group.where(lambda frame: frame.keys.get("ComplexImageComponent", "") in PARTS[1:])
    kept = group.without(others)
    few = len(kept.positions) <= COVERAGE * len(group.positions)
    if few or not others.positions & kept.positions:
        return None
    key = "ComplexImageComponent"
    if all(part_in_type(frame.keys.get("ImageType", "")) in PARTS[1:] for frame in others.frames):
        key = "ImageType"
    value = kept.frames[0].keys.get(key) or PARTS[0]
    count = len({frame.keys.get(key, "") for frame in group.frames})
    left = " and ".join(part.lower() for part in PARTS[1:] if part in parts)
    warning = f"complex_parts: magnitude read, {len(others)} images left out ({left})"
    return Narrowed(kept, f"{key}={value}, 1 of {count}", (), warning)


def narrow(group: Group, key: Key) -> Narrowed | None:
    """Keep one set of those that a key distinguishes; None where it distinguishes none at any position."""
    labels = _labels(group, key)
    if len(set(labels)) < 2 or not _labels_split(group, labels):
        return None
    sets = group.by_label(labels)
    values = _in_order(list(sets.values()), key)
    best = values[0]
    if key.role is Role.CLOCK:
        return _one_of(group, key, values) if best.positions == group.positions else None
    if not (_covers(best, group) or _are_blocks(values)):
        return _lowest(group, key) if key.role is Role.TIME else None
    if key.role is Role.TIME:
        joined = _joined(values)
        if joined.regular or not best.regular:
            return _one_of(group, key, values, joined)
    return _one_of(group, key, values)


def parted(group: Group, key: Key) -> list[tuple[str, Group]]:
    """Sets of a key, each regular, of a group that is not; [] where the key does not part it so."""
    sets = list(group.by_label(_labels(group, key)).values())
    if key.role is Role.CLOCK or not 2 <= len(sets) <= len(group) // BLOCK:
        return []
    if not all(one.regular and len(one.positions) >= BLOCK for one in sets):
        return []
    ordered = _in_order(sets, key)
    return [(f"{_said(one, key)}, {n} of {len(sets)}", one) for n, one in enumerate(ordered, start=1)]


def _one_of(group: Group, key: Key, values: Sequence[Group], joined: Group | None = None) -> Narrowed:
    """The first of sets in order, or what it was joined to; sets with positions of their own stay apart."""
    best, count = values[0], len(values)
    kept = best if joined is None else joined
    share = NEARLY if key.name in _TYPES else 1.0
    apart = []
    for number, one in enumerate(values[1:], start=2):
        own = one.outside(kept.positions)
        if len(own.positions) > (1 - share) * len(best.positions):
            apart.append((f"{_said(one, key)}, {number} of {count}", one))
    used = len(kept) + sum(len(one) for _, one in apart)
    left, name = len(group) - used, _said(best, key)
    if joined is not None and len(joined) > len(best):
        said = f"{len(best.positions)} positions of {name}, {len(joined.positions) - len(best.positions)} of others"
        warning = f"{key.word}: joined, {said}; {left} images at positions already read left out"
        return Narrowed(kept, f"{name} and others of {count}, joined", tuple(apart), warning)
    warning = f"{key.word}: 1 of {count} read ({name}), {left} images of others left out" if left else ""
    return Narrowed(kept, f"{name}, 1 of {count}", tuple(apart), warning)


def _lowest(group: Group, key: Key) -> Narrowed | None:
    """The lowest value at each position, for a number that grows from slice to slice: a trigger time, a counter."""
    numbers = [as_number(frame.keys.get(key.name)) for frame in group.frames]
    known = {(slot, number) for slot, number in zip(group.slots, numbers, strict=True)}
    even = len(group) == group.most * len(group.positions)
    if None in numbers or len(known) < len(group) or not even:
        return None
    order = sorted(range(len(group)), key=lambda i: (group.slots[i], numbers[i] or 0.0))
    seen: dict[int, int] = {}
    for i in order:
        seen.setdefault(group.slots[i], i)
    kept = group.pick(seen.values())
    name = f"lowest {key.name}, 1 of {group.most}"
    left = len(group) - len(kept)
    return Narrowed(kept, name, (), f"{key.word}: 1 of {group.most} read ({name}), {left} images of others left out")


def _joined(values: Sequence[Group]) -> Group:
    """The first set, and of each other what lies where none of those before it has a frame."""
    joined = values[0]
    for one in values[1:]:
        more = one.outside(joined.positions)
        joined = joined.joined(more) if len(more) else joined
    return joined


def _labels_split(group: Group, labels: Sequence[str]) -> bool:
    """Whether any position holds two values."""
    first: dict[int, str] = {}
    return any(first.setdefault(slot, label) != label for slot, label in zip(group.slots, labels, strict=True))


def _covers(best: Group, group: Group) -> bool:
    return len(best.positions) > COVERAGE * len(group.positions)


def _are_blocks(values: Sequence[Group]) -> bool:
    """Whether each set is a stretch of neighbouring positions, as consecutive acquisitions are."""
    spans = [max(one.positions) - min(one.positions) + 1 for one in values]
    whole = all(span == len(one.positions) for span, one in zip(spans, values, strict=True))
    return whole and min(spans) >= BLOCK and len(values) <= len(set().union(*(one.positions for one in values))) / BLOCK


_TYPES: Final = frozenset({"ImageType", "ComplexImageComponent"})


def _in_order(sets: list[Group], key: Key) -> list[Group]:
    """Sets, the one to be read first: best covering, then by value; of image types the best kind that nearly covers."""
    most = max(len(one.positions) for one in sets)
    ranked = sorted(sets, key=lambda one: _rank(one, key))
    good = [one for one in ranked if len(one.positions) >= (NEARLY if key.name in _TYPES else 1.0) * most]
    return [good[0], *(one for one in ranked if one is not good[0])]


def _rank(one: Group, key: Key) -> tuple[float, bool, bool, float, float, str]:
    """Magnitude before other parts, numbers by size, original images before derived ones; then text.

    Directions of a gradient have no size: the one numbered first.
    """
    value = _value(one, key)
    part = min(PARTS.index(frame.keys.get("ComplexImageComponent") or PARTS[0]) for frame in one.frames)
    number = None if "\\" in value else as_number(value or None)
    first = min((frame.number for frame in one.frames), default=0) if key.word == "diffusion_directions" else 0
    return (part if key.name in _TYPES else 0, number is None, "DERIVED" in value, number or 0.0, first, value)


def _value(one: Group, key: Key) -> str:
    return one.frames[0].keys.get(key.name, "")


def _said(one: Group, key: Key) -> str:
    """A set's value as it is told; words and times of a header, which may tell whose it is, only by their name."""
    private = key.role is Role.CLOCK or key.word == "descriptions"
    return key.name if private else f"{key.name}={_value(one, key)}"


def _labels(group: Group, key: Key) -> list[str]:
    """Each frame's value of a key for comparing: 5 and 5.0 are one."""
    values = [frame.keys.get(key.name, "") for frame in group.frames]
    labels = {value: _label(value) for value in set(values)}
    return [labels[value] for value in values]


def _label(value: str) -> str:
    number = None if "\\" in value else as_number(value or None)
    return value if number is None else f"{number:.6g}"
