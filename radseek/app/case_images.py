"""Pictures of an index's studies, read again from where they were built from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radseek.pictures.slice_pictures import Picture, find_view, picture_of
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind
from radseek.retrieval.imaging.study_reader import read_paths
from radseek.retrieval.imaging.views.series_views import shown_view, view_names
from radseek.retrieval.index.catalog.linkage import LinkageFile, linkage_path
from radseek.retrieval.privacy.pseudonyms import keyed_series
from radseek.retrieval.scoring.word_separation import Kind
from radseek.retrieval.types import Series, Study, View

__all__ = ["CaseImages"]

_KEPT = 24  # views in memory; a phantom's takes about 3 MB
_STUDIES = 8  # studies read again, in memory: those that are looked at side by side


class CaseImages:
    """Draws slices of stored studies. Without the linkage file, or the files it names, it draws nothing.

    `key`: the user's, by which studies are called; `held`: studies that are read already, which need no index.
    """

    def __init__(self, index: Path | None, key: bytes, held: Mapping[str, Study] | None = None) -> None:
        path = None if index is None else linkage_path(index)
        self._linkage = LinkageFile(path, read_only=True) if path is not None and path.exists() else None
        self._held = {} if held is None else held
        self._key = key
        self._studies: OrderedDict[str, Study | None] = OrderedDict()
        self._views: OrderedDict[tuple[str, str, str], View] = OrderedDict()

    def close(self) -> None:
        """Close the linkage file."""
        if self._linkage is not None:
            self._linkage.close()

    def study(self, key: str, kinds: Sequence[Kind] = ()) -> Study | None:
        """Return a study as it was read; None where it can no longer be. `kinds`: of its series, as they are stored."""
        if key in self._held:
            return self._held[key]
        if key not in self._studies:
            self._studies[key] = self._read_again(key, kinds)
            while len(self._studies) > _STUDIES:
                self._studies.popitem(last=False)
        self._studies.move_to_end(key)
        return self._studies[key]

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
        link = self._linkage.get(study) if self._linkage is not None else None
        if link is None:
            return None
        paths = link.paths if link.study_uid else link.paths[:1]
        try:
            return _of_kinds(read_paths(paths, StatedKind(*kinds[0]) if kinds else UNSTATED), kinds)
        except (RadseekError, OSError):  # moved, changed or gone since the build
            return None


def _of_kinds(study: Study, kinds: Sequence[Kind]) -> Study:
    """Return a study with the body parts that are stored: a table may have said others than its files."""
    if len(kinds) != len(study.series):
        return study
    series = [replace(one, body_part=part) for one, (_, part) in zip(study.series, kinds, strict=True)]
    return replace(study, series=tuple(series))
