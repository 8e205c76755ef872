"""The segment folders of an index's last generation, opened together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import Segment

__all__ = ["opened_layout"]


def opened_layout(
    catalog: Catalog, folder: Path, dim: int, opened: Mapping[int, Segment]
) -> tuple[int, dict[int, Segment], Places]:
    """Return the last generation, its folders and its places; what is open already was checked then.

    A writer may merge folders and delete the old ones between their names and their opening: then they are asked again.
    """
    while True:
        layout = catalog.layout()
        try:
            segments = {i.number: opened.get(i.number) or Segment(folder, i, dim) for i in layout.folders}
        except IndexDamagedError:
            now = catalog.layout()
            if [info.number for info in now.folders] == [info.number for info in layout.folders]:
                raise
        else:
            return layout.generation, segments, layout.places
