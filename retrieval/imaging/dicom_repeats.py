"""Several frames at each position: choose the first set, by stack, time, b-value, echo or image type, and name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.imaging.dicom_frames import Frame

__all__ = ["Chosen", "first_of_repeats"]

SAME_POSITION_MM: Final = 0.01
COVERAGE: Final = 0.5  # a value that covers less of the positions does not tell sets apart


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """One frame a position, in order along the normal; `name` says which set, None where there was only one.

    `unexplained`: frames left out though nothing in the header tells them from those kept; copies, perhaps.
    """

    frames: tuple[Frame, ...]
    name: str | None
    unexplained: tuple[Frame, ...] = ()


def first_of_repeats(frames: Sequence[Frame], normal: NDArray[np.float64]) -> Chosen:
    """Order parallel frames along `normal (3,)` and keep one at each position."""
    ordered, slots = _by_position(frames, normal)
    names: list[str] = []
    kept = list(range(len(ordered)))
    for key in _varying_keys(ordered):
        if _unique(slots, kept):
            break
        choice = _narrow(ordered, slots, kept, key)
        if choice is not None:
            kept, name = choice
            names.append(name)
    unexplained: tuple[Frame, ...] = ()
    if not _unique(slots, kept):
        chosen, name = _first_numbered(ordered, slots, kept)
        unexplained = tuple(ordered[i] for i in kept if i not in set(chosen))
        kept = chosen
        names.append(name)
    return Chosen(tuple(ordered[i] for i in kept), "; ".join(names) or None, unexplained)


def _by_position(frames: Sequence[Frame], normal: NDArray[np.float64]) -> tuple[list[Frame], NDArray[np.int64]]:
    """Frames sorted along the normal, and for each the number of its position."""
    origins = [frame.place.origin if frame.place else np.zeros(3) for frame in frames]
    distance = np.array([float(origin @ normal) for origin in origins])
    order = sorted(range(len(frames)), key=lambda i: distance[i])
    jumps = np.diff(distance[order]) > SAME_POSITION_MM
    slots = np.concatenate(([0], np.cumsum(jumps))).astype(np.int64)
    # Within one position by number, so that the order of files never matters.
    final = sorted(range(len(order)), key=lambda k: (slots[k], frames[order[k]].number, frames[order[k]].index, k))
    return [frames[order[k]] for k in final], slots[final]


def _unique(slots: NDArray[np.int64], kept: Sequence[int]) -> bool:
    return len(set(slots[list(kept)].tolist())) == len(kept)


def _varying_keys(frames: Sequence[Frame]) -> list[str]:
    """Keys with more than one value, in the order in which the frames list them."""
    keys = dict.fromkeys(key for frame in frames for key in frame.keys)
    return [key for key in keys if len({frame.keys.get(key, "") for frame in frames}) > 1]


def _narrow(
    frames: Sequence[Frame], slots: NDArray[np.int64], kept: Sequence[int], key: str
) -> tuple[list[int], str] | None:
    """Keep the first value of `key` that covers the positions; None where the key does not tell sets apart."""
    sets: dict[str, list[int]] = {}
    for i in kept:
        sets.setdefault(frames[i].keys.get(key, ""), []).append(i)
    covered = {value: len(set(slots[members].tolist())) for value, members in sets.items()}
    most = max(covered.values())
    positions = len(set(slots[list(kept)].tolist()))
    if len(sets) < 2 or most <= COVERAGE * positions:
        return None
    values = [value for value in sorted(sets, key=_rank) if covered[value] == most]
    return sets[values[0]], f"{key}={values[0]}, 1 of {len(sets)}"


def _first_numbered(frames: Sequence[Frame], slots: NDArray[np.int64], kept: Sequence[int]) -> tuple[list[int], str]:
    """The frame of the lowest InstanceNumber at each position, where nothing else tells them apart."""
    seen: dict[int, int] = {}
    for i in kept:
        seen.setdefault(int(slots[i]), i)
    most = int(np.bincount(slots[list(kept)]).max())
    return list(seen.values()), f"lowest InstanceNumber, 1 of {most}"


def _rank(value: str) -> tuple[bool, bool, float, str]:
    """Numbers by size; original images before derived ones; then text."""
    try:
        return (False, False, float(value), "")
    except ValueError:
        return (True, "DERIVED" in value, 0.0, value)
