"""One slice of a stored study, read from a single file: what can be shown while the others are still being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from radseek.retrieval.errors import RadseekError
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.imaging.study_reader import read_paths
from radseek.retrieval.index.store import CaseSeries, Linkage
from radseek.retrieval.privacy.pseudonyms import keyed_series
from radseek.retrieval.types import Study

__all__ = ["hung_first", "opening_slice"]

_FEWEST: Final = 6  # files; fewer are read as soon as one
_MOST_TRIES: Final = 4  # files that are looked into for one of the series


def opening_slice(study: str, linked: Linkage, series: Sequence[CaseSeries], key: bytes) -> Study | None:
    """Return the slice from the middle of the series that is hung first, as a study of this slice alone.

    Args:
        study: the study's key.
        linked: its files.
        series: its series as stored, in their order.
        key: the user's, by which series are called.

    Returns:
        None where files are not slices (NIfTI, multi-frame), where they are few, or where none of the files looked
        into is of that series.
    """
    slices = [one.shape[0] if one.shape else 0 for one in series]
    if not linked.study_uid or len(linked.paths) < _FEWEST or sum(slices) != len(linked.paths) or 0 in slices:
        return None
    hung = hung_first([(one.shape[0], one.body_part) for one in series])
    wanted = series[hung]
    for path in _likely(linked.paths, slices, hung)[:_MOST_TRIES]:
        try:
            found = read_paths([path], StatedKind(wanted.modality, wanted.body_part))
        except (RadseekError, OSError):  # moved, changed or gone since the build
            return None
        if wanted.key in keyed_series(found, study, key):
            named = [replace(one, body_part=wanted.body_part) for one in found.series]
            return replace(found, series=tuple(named))
    return None


def hung_first(series: Sequence[tuple[int, str]]) -> int:
    """Return the place of the series that a viewer shows first: of several slices, and of the part that most are of.

    Args:
        series: slices and body part of each.

    Returns:
        Its place among them; of several that are as good, the first.
    """
    parts = [part for _, part in series]
    ranks = [(slices > 1, parts.count(part)) for slices, part in series]
    return ranks.index(max(ranks))


def _likely(paths: Sequence[str], slices: Sequence[int], hung: int) -> list[str]:
    """Middle files of the runs that the series would be, were they sorted as the files are: the hung one's first."""
    middles = [paths[sum(slices[:n]) + count // 2] for n, count in enumerate(slices)]
    return [middles[hung], *(one for n, one in enumerate(middles) if n != hung)]
