"""Where the rows of each commit lie by now: merging moves them from folder to folder, and their numbers stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.segments.segment_folders import ARRAYS, SegmentInfo

__all__ = ["Places"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """One row a segment (what a commit wrote), by number: its folder, and its first row in each of that one's arrays.

    In a folder the segments follow each other by number, so their counts say where each begins.
    """

    number: Column
    folder: Column
    first: dict[str, Column]
    count: dict[str, Column]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int, int, int]], folders: Iterable[SegmentInfo]) -> Places:
        """Return the places of rows `(number, folder, slices, views, sentences)`, ascending.

        Raises `IndexDamagedError` where a folder has not as many rows as its segments.
        """
        number, folder, *counts = np.array(rows, np.int64).reshape(-1, 5).T
        order = np.lexsort((number, folder))
        known = {info.number: info for info in folders}
        names, begins = np.unique(folder[order], return_index=True)
        if {int(name) for name in names} - set(known):
            raise IndexDamagedError("The catalogue has segments in folders that it does not know; restore it.")
        first = {}
        for name, count in zip(ARRAYS, counts, strict=True):
            ends = np.cumsum(count[order])
            before = ends - count[order]
            start = np.repeat(before[begins], np.diff([*begins, len(order)]))
            column = np.empty_like(count)
            column[order] = before - start
            first[name] = column
            found = dict(zip(names.tolist(), np.add.reduceat(count[order], begins) if len(names) else [], strict=True))
            for info in known.values():
                if found.get(info.number, 0) != info.rows[name]:
                    raise IndexDamagedError(
                        f"The catalogue has {found.get(info.number, 0)} {name} in folder {info.folder_name}, which "
                        f"holds {info.rows[name]}; restore it from a copy."
                    )
        return cls(number, folder, first, dict(zip(ARRAYS, counts, strict=True)))

    def find(self, segments: Column) -> Column:
        """Return where in these columns each of the segments is.

        Raises `IndexDamagedError` for one that is not there.
        """
        at: Column = np.searchsorted(self.number, segments).astype(np.int64)
        known = at < len(self.number)
        known[known] = self.number[at[known]] == segments[known]
        if not known.all():
            lost = int(segments[~known][0])
            raise IndexDamagedError(f"The catalogue has rows of segment {lost} and no such segment; restore it.")
        return at
