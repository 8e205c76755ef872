"""Merges folders as they grow, so that an index of any size has few: tiers, as log-structured stores have them.

A commit makes a small folder. Folders of about one size are a tier, eight times the one below; where a tier has eight,
they are written as one, by the steps of any commit: files first, then the one transaction that makes them exist, the
old ones last. A row is written again some five times in an index's life; the largest folders are left as they are.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.disk_errors import require_room
from radseek.retrieval.errors import StorageError
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import ARRAYS, Segment, SegmentInfo, write_segment

__all__ = ["due", "merge"]

_log: Final = logging.getLogger(__name__)

_FAN = 8  # folders of a tier that become one of the next
_SMALLEST = 64 << 10  # bytes under which all folders are one tier
_LARGEST = 256 << 20  # bytes from which a folder is merged no more


def merge(catalog: Catalog, root: Path, dim: int) -> None:
    """Merge what is due. What is stored does not change, nor does the generation.

    A disk without room for it leaves the folders as they are: the next commit tries again. Raises
    `IndexDamagedError` where a folder is not what was written.
    """
    while group := due((layout := catalog.layout()).folders):
        try:
            _merge(catalog, root, dim, group, layout.places)
        except StorageError as error:
            _log.info("folders of %s are not merged: %s", root, error)
            return
        _log.info("%d folders of %s merged into one", len(group), root)


def due(folders: Sequence[SegmentInfo]) -> list[SegmentInfo]:
    """Return the folders to merge next, of the lowest tier that is full, in order; [] where none is."""
    tiers: dict[int, list[SegmentInfo]] = {}
    for info in folders:
        if info.bytes < _LARGEST:
            tiers.setdefault(_tier(info.bytes), []).append(info)
    for _, tier in sorted(tiers.items()):
        if len(tier) >= _FAN:
            return _within(tier, _FAN * _LARGEST)
    return []


def _within(tier: list[SegmentInfo], most: int) -> list[SegmentInfo]:
    """Return the first folders of a tier, all of them or as many as have `most` bytes together."""
    total = 0
    for count, info in enumerate(tier):
        total += info.bytes
        if total > most:
            return tier[:count]
    return tier


def _tier(size: int) -> int:
    tier = 0
    while size >= _SMALLEST:
        size //= _FAN
        tier += 1
    return tier


def _merge(catalog: Catalog, root: Path, dim: int, group: list[SegmentInfo], places: Places) -> None:
    require_room(root, sum(info.bytes for info in group) + catalog.log_bytes())
    opened = {info.number: Segment(root, info, dim) for info in group}
    for segment in opened.values():  # a changed byte must not get a new, right hash
        segment.check_hashes()
    info = write_segment(root, catalog.next_folder(), dim, {name: _rows(opened, places, name) for name in ARRAYS})
    try:
        with catalog.transaction() as connection:
            catalog_write.move_segments(connection, opened, info)
    except BaseException:
        shutil.rmtree(root / info.folder_name, ignore_errors=True)
        raise
    for old in group:
        shutil.rmtree(root / old.folder_name, ignore_errors=True)


def _rows(opened: Mapping[int, Segment], places: Places, name: str) -> list[NDArray[np.float16]]:
    """Return the rows of one array of each segment in these folders, in the order of the segments' numbers."""
    mine = np.flatnonzero(np.isin(places.folder, list(opened)))
    folder, first, count = places.folder[mine], places.first[name][mine], places.count[name][mine]
    return [
        opened[f].rows(name, a, a + n) for f, a, n in zip(*map(np.ndarray.tolist, (folder, first, count)), strict=True)
    ]
