"""Several frames at each position: which set is read, as one volume or several, and what is said about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.diffusion import diffusion_sets
from radseek.retrieval.imaging.dicom.frame_sets import BLOCK, magnitude_of, narrow, parted
from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.instance_numbers import first_numbered, numbered_sets
from radseek.retrieval.imaging.dicom.positions import Group, group_of
from radseek.retrieval.imaging.dicom.split_keys import KEYS

__all__ = ["Chosen", "choose_sets"]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """One frame a position, in order along the normal; `name` says which set, None where there was only one.

    `unexplained`: frames left out though nothing in the header tells them from those kept; copies, perhaps.
    `attributes`: what the choice itself knows of the frames, by DICOM keyword. `paired`: the second of a pair that
    shares its positions with the one before it.
    """

    frames: tuple[Frame, ...]
    name: str | None = None
    unexplained: tuple[Frame, ...] = ()
    warnings: tuple[str, ...] = ()
    dropped: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    paired: bool = False


def choose_sets(frames: Sequence[Frame], normal: NDArray[np.float64]) -> list[Chosen]:
    """Order parallel frames along `normal (3,)` and choose the sets that are read, one frame at each position.

    Every position is in one of them. What is left out is counted in `warnings`, the same for all of them.
    """
    group = group_of(frames, normal)
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    magnitude = None if group.unique else magnitude_of(group)
    if magnitude is not None:
        group, names, warnings = magnitude.kept, (magnitude.name,), (magnitude.warning,)
    pair = None if group.unique else diffusion_sets(group)
    if pair is None:
        found = _resolve(group, names)
    else:
        warnings += pair.warnings
        found = []
        for number, one in enumerate(pair.sets):
            chosen = _resolve(one.group, (*names, one.name))
            found += [replace(c, attributes=one.attributes, paired=number > 0) for c in chosen]
    said = dict.fromkeys((*warnings, *(warning for chosen in found for warning in chosen.warnings)))
    dropped = len(frames) - sum(len(chosen.frames) for chosen in found)
    return [replace(chosen, warnings=tuple(said), dropped=dropped) for chosen in found]


def _resolve(group: Group, names: tuple[str, ...]) -> list[Chosen]:
    """Narrow a group key by key until no position holds two frames; sets that stay apart are narrowed on their own."""
    warnings: list[str] = []
    apart: list[tuple[str, Group]] = []
    for key in KEYS:
        if group.unique:
            break
        step = narrow(group, key)
        if step is None:
            continue
        group, names = step.kept, (*names, step.name)
        apart += [("; ".join((*names[:-1], name)), one) for name, one in step.apart]
        warnings += [step.warning] if step.warning else []
    others = [chosen for name, one in apart for chosen in _resolve(one, (name,))]
    return [*_rest(group, names, tuple(warnings)), *others]


def _rest(group: Group, names: tuple[str, ...], warnings: tuple[str, ...]) -> list[Chosen]:
    """What no key narrows further: two lattices of positions stay apart, repeats go by number."""
    if not group.regular:
        lattices = _lattices(group)
        if lattices:
            return [
                Chosen(first.frames, "; ".join((*names, name)) or None, group_left, warnings)
                for name, one in lattices
                for first, group_left in [_first(one)]
            ]
    if group.unique:
        return [Chosen(group.frames, "; ".join(names) or None, (), warnings)]
    kept, how = first_numbered(group)
    name = "; ".join((*names, f"{how}, 1 of {group.most}"))
    return [Chosen(kept.frames, name, group.without(kept).frames, warnings)]


def _first(group: Group) -> tuple[Group, tuple[Frame, ...]]:
    kept = group if group.unique else first_numbered(group)[0]
    return kept, group.without(kept).frames


def _lattices(group: Group) -> list[tuple[str, Group]]:
    """Regular sets of an irregular group, by a key or by number, each with its name; [] where there are none."""
    for key in KEYS:
        found = parted(group, key)
        if found:
            return found
    if len({(frame.number, frame.index) for frame in group.frames}) < len(group):
        return []
    for sets in numbered_sets(group):
        if len(sets) > 1 and all(one.regular and one.unique and len(one) >= BLOCK for one in sets):
            return [(f"numbers {_span(one)}, {n} of {len(sets)}", one) for n, one in enumerate(sets, start=1)]
    return []


def _span(group: Group) -> str:
    numbers = [frame.number for frame in group.frames]
    return f"{min(numbers)} to {max(numbers)}"
