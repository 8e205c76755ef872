"""Parallel frames of one geometry, each with the number of its position; and sets of them by a label."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.even_runs import is_regular
from radseek.retrieval.imaging.dicom.frames import Frame

__all__ = ["Group", "group_of"]

SAME_POSITION_MM: Final = 0.06  # headers round to 0.1 mm, so two writings of one position differ by half of that
SAME_POSITION_SHARE: Final = 0.25  # of the distance between slices, where they are thinner than that


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Frames in order along the normal, at one position by InstanceNumber; `slots[i]` numbers the position of each."""

    frames: tuple[Frame, ...]
    slots: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def positions(self) -> frozenset[int]:
        """The positions at which there is a frame."""
        return frozenset(self.slots)

    @property
    def unique(self) -> bool:
        """Whether no position holds two frames."""
        return len(self.positions) == len(self.slots)

    @property
    def most(self) -> int:
        """How many frames the fullest position holds."""
        return int(np.bincount(self.slots).max()) if self.slots else 0

    @property
    def regular(self) -> bool:
        """Whether the positions, one frame of each, have one constant distance."""
        first = dict(zip(reversed(self.slots), reversed(self.frames), strict=True))
        places = [first[slot].place for slot in sorted(first)]
        return is_regular(np.array([place.origin for place in places if place is not None]))

    def pick(self, wanted: Iterable[int]) -> Group:
        """The frames of these indices, in order."""
        chosen = sorted(wanted)
        return Group(tuple(self.frames[i] for i in chosen), tuple(self.slots[i] for i in chosen))

    def where(self, test: Callable[[Frame], bool]) -> Group:
        """The frames for which `test` holds."""
        return self.pick(i for i, frame in enumerate(self.frames) if test(frame))

    def without(self, other: Group) -> Group:
        """The frames that are not in another group."""
        gone = {id(frame) for frame in other.frames}
        return self.where(lambda frame: id(frame) not in gone)

    def joined(self, other: Group) -> Group:
        """The frames of both, in order of position."""
        pairs = sorted(zip(self.slots + other.slots, self.frames + other.frames, strict=True), key=lambda pair: pair[0])
        return Group(tuple(frame for _, frame in pairs), tuple(slot for slot, _ in pairs))

    def outside(self, positions: frozenset[int]) -> Group:
        """The frames at none of these positions."""
        return self.pick(i for i, slot in enumerate(self.slots) if slot not in positions)

    def by_label(self, labels: Sequence[Hashable]) -> dict[Hashable, Group]:
        """The frames of each label, labels in the order in which they are first met."""
        found: dict[Hashable, list[int]] = {}
        for i, label in enumerate(labels):
            found.setdefault(label, []).append(i)
        return {label: self.pick(members) for label, members in found.items()}

    def first_each(self) -> Group:
        """The first frame of each position."""
        seen: dict[int, int] = {}
        for i, slot in enumerate(self.slots):
            seen.setdefault(slot, i)
        return self.pick(seen.values())


def group_of(frames: Sequence[Frame], normal: NDArray[np.float64]) -> Group:
    """Order parallel frames along `normal (3,)` and number their positions."""
    distance = np.array([float(frame.place.origin @ normal) if frame.place else 0.0 for frame in frames])
    order = np.argsort(distance, kind="stable")
    steps = np.diff(distance[order])
    numbers = np.concatenate(([0], np.cumsum(steps > _same_position(steps)))).astype(int).tolist()
    slot_of = {int(i): numbers[k] for k, i in enumerate(order)}
    # Within one position by number, so that the order of files never matters.
    final = sorted(
        range(len(frames)), key=lambda i: (slot_of[i], frames[i].number, str(frames[i].path), frames[i].index)
    )
    return Group(tuple(frames[i] for i in final), tuple(slot_of[i] for i in final))


def _same_position(steps: NDArray[np.float64]) -> float:
    """The distance up to which two frames lie at one position: rounding, but never a thin slice."""
    apart = steps[steps > SAME_POSITION_MM]
    if len(apart) == 0:
        apart = steps[steps > 1e-3]
        return float(np.median(apart)) * SAME_POSITION_SHARE if len(apart) else SAME_POSITION_MM
    return min(SAME_POSITION_MM, float(np.median(apart)) * SAME_POSITION_SHARE)
