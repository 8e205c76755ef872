"""Cases that hold the same images: a study sent twice, under another UID or another patient's number.

It is the pixels that are compared, by the keyed hash that a build keeps of them. Vectors cannot say it: an encoder may
see two patients' radiographs as more alike than a picture and its JPEG (`python -m benchmarks.near_duplicates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from radseek.retrieval.search.ranking import RankedStudy

__all__ = ["DistinctCase", "copies_note", "distinct_cases"]


@dataclass(slots=True)
class DistinctCase:
    """A case that was found, and the keys of the cases below it that hold the same images."""

    case: RankedStudy
    copies: list[str] = field(default_factory=list)


def distinct_cases(ranked: Iterable[RankedStudy], pixels: Mapping[str, str]) -> list[DistinctCase]:
    """Return cases in their order, each of several with the same images once: the first.

    Args:
        ranked: the cases, best first.
        pixels: the hash of each case's pixels by its key; "" where it is not known, which no other equals.
    """
    found: dict[str, DistinctCase] = {}
    for one in ranked:
        same = pixels[one.study] or one.study
        if same in found:
            found[same].copies.append(one.study)
        else:
            found[same] = DistinctCase(one)
    return list(found.values())


def copies_note(count: int) -> str:
    """Return the sentence that says how many of the cases are copies of the query."""
    cases = "1 of the cases holds" if count == 1 else f"{count} of the cases hold"
    return f"{cases} the same images as the study asked about: a copy of it, not an earlier case."
