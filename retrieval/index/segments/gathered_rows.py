"""Rows of several segment folders as one array, in the order they are asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.segments.segment_folders import Segment

__all__ = ["gathered_rows"]

_MANY = 65536  # rows after which a folder's mapped pages are given back


def gathered_rows(
    segments: Mapping[int, Segment], name: str, folder: NDArray[np.int64], row: NDArray[np.int64]
) -> NDArray[np.float16]:
    """Return `(n, D)` rows of the arrays called `name`, each by its folder's number and its row there.

    Raises `IndexDamagedError` where a block of them is not what was written.
    """
    dim = next((one.rows(name, 0, 0).shape[1] for one in segments.values()), 1)
    found = np.empty((len(folder), dim), np.float16)
    for number in np.unique(folder):
        here, segment = folder == number, segments[int(number)]
        found[here] = segment.picked(name, row[here])
        if len(folder) > _MANY:
            segment.let_go()
    return found
