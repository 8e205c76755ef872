"""Pictures of an index's studies, read again from where they were built from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Final

from radseek.app.opened_studies import OpenedStudies
from radseek.app.opening_slice import opening_slice
from radseek.pictures.slice_pictures import Picture, find_view, picture_of
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind
from radseek.retrieval.imaging.study_reader import read_paths
from radseek.retrieval.imaging.views.series_views import shown_view, view_names
from radseek.retrieval.index.catalog.linkage import LinkageFile, linkage_path
from radseek.retrieval.index.store import CaseSeries, Linkage
from radseek.retrieval.privacy.pseudonyms import keyed_series
from radseek.retrieval.scoring.word_separation import Kind
from radseek.retrieval.types import Series, Study, View

__all__ = ["CaseImages"]

_KEPT: Final = 24  # views in memory; a phantom's takes about 3 MB
_BYTES: Final = 1 << 30  # of voxels of studies read again: those that are looked at, or will be next


class CaseImages:
    """Draws slices of stored studies. Without the linkage file, or the files it names, it draws nothing.

    `key`: the user's, by which studies are called; `held`: studies that are read already, which need no index.
    """

    def __init__(self, index: Path | None, key: bytes, held: Mapping[str, Study] | None = None) -> None:
        self._path = None if index is None else linkage_path(index)
        self._linkage = self._linkage_file()
        self._linking = Lock()
        self._held = {} if held is None else held
        self._key = key
        self._studies = OpenedStudies(_BYTES)
        self._views: OrderedDict[tuple[str, str, str], View] = OrderedDict()

    def close(self) -> None:
        """Close the linkage file; whoever is about to read a study opens it again."""
        with self._linking:
            if self._linkage is not None:
                self._linkage.close()
            self._linkage = None

    def study(self, key: str, kinds: Sequence[Kind] = ()) -> Study | None:
        """Return a study as it was read; None where it can no longer be. `kinds`: of its series, as they are stored."""
        if key in self._held:
            return self._held[key]
        return self._studies.get(key, lambda: self._read_again(key, kinds))

    def opening(self, key: str, series: Sequence[CaseSeries]) -> Study | None:
        """Return one slice of a stored study that was not read yet; None where it was, or where that is no quicker.

        Raises `WorkerError` as `read_paths` does.
        """
        if key in self._held or self._studies.is_read(key):
            return None
        link = self._link(key)
        return None if link is None else opening_slice(key, link, series, self._key)

    def series(self, key: str, kinds: Sequence[Kind] = ()) -> dict[str, Series] | None:
        """Return a study's series by their keys, as `study` reads them; None where it can no longer be read."""
        found = self.study(key, kinds)
        return None if found is None else keyed_series(found, key, self._key)

    def draw(
        self,
        study: str,
        series: str,
        view: str,
        z: int,
        *,
        caption: str = "",
        side: int = 320,
        kinds: Sequence[Kind] = (),
    ) -> Picture | None:
        """Return slice `z` of a view, by the keys of its study and series; None where it can no longer be read."""
        found = self._view(study, series, view, kinds)
        return None if found is None else picture_of(found, z, caption=caption, side=side)

    def _view(self, study: str, series: str, view: str, kinds: Sequence[Kind]) -> View | None:
        place = (study, series, view)
        if place in self._views:
            self._views.move_to_end(place)
            return self._views[place]
        read = self.study(study, kinds)
        if read is None:
            return None
        one = keyed_series(read, study, self._key).get(series)
        if one is None or shown_view(one, view) not in view_names(one):
            return None
        self._views[place] = find_view(one, view)
        while len(self._views) > _KEPT:
            self._views.popitem(last=False)
        return self._views[place]

    def _read_again(self, study: str, kinds: Sequence[Kind]) -> Study | None:
        link = self._link(study)
        if link is None:
            return None
        paths = link.paths if link.study_uid else link.paths[:1]
        try:
            return _of_kinds(read_paths(paths, StatedKind(*kinds[0]) if kinds else UNSTATED), kinds)
        except (RadseekError, OSError):  # moved, changed or gone since the build
            return None

    def _link(self, study: str) -> Linkage | None:
        with self._linking:
            if self._linkage is None:
                self._linkage = self._linkage_file()
            return None if self._linkage is None else self._linkage.get(study)

    def _linkage_file(self) -> LinkageFile | None:
        there = self._path is not None and self._path.exists()
        return LinkageFile(self._path, read_only=True) if self._path is not None and there else None


def _of_kinds(study: Study, kinds: Sequence[Kind]) -> Study:
    """Return a study with the body parts that are stored: a table may have said others than its files."""
    if len(kinds) != len(study.series):
        return study
    series = [replace(one, body_part=part) for one, (_, part) in zip(study.series, kinds, strict=True)]
    return replace(study, series=tuple(series))
