"""One pinned generation of an index, as a reader sees it: its studies, their vectors, and exact search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError, IndexFolderError, UnknownNameError
from retrieval.index import catalog_read, tables, verifying
from retrieval.index.catalog import Catalog
from retrieval.index.exact import FlatIndex
from retrieval.index.places import Places
from retrieval.index.scan import best_slices
from retrieval.index.segments import Segment
from retrieval.index.sentence_search import find_sentences
from retrieval.index.store import Case, Scope, SentenceHit, SliceHit, ViewHit
from retrieval.index.sums import changed_files
from retrieval.types import ViewVectors

__all__ = ["Snapshot"]

_T = TypeVar("_T")


class Snapshot:
    """Answers from one generation, whatever is committed later, until a compaction deletes what it needs."""

    def __init__(
        self,
        catalog: Catalog,
        folder: Path,
        dim: int,
        opened: Mapping[int, Segment] | None = None,
        *,
        in_doubt: bool = False,
    ) -> None:
        """Pin the last generation. `in_doubt`: the catalogue's file does not look as it was closed, so that before an
        answer about all studies every row is checked.
        """
        self.catalog = catalog
        self.generation, self.segments, self.places = _opened(catalog, folder, dim, opened or {})
        self._whole_until = self.generation  # the last generation known to have taken nothing away
        self._lock = threading.RLock()
        self._cache: dict[str, Any] = {}
        self._last: tuple[Scope | None, NDArray[np.int64]] | None = None
        self._in_doubt = in_doubt
        self._whole: set[int] = set()  # row ids of the studies whose rows were checked

    def is_whole(self) -> bool:
        """Say whether nothing of this generation was removed or compacted since."""
        last = self.catalog.generation()
        if last != self._whole_until:
            if int(self.catalog.setting("compacted")) > self.generation or catalog_read.lost(
                self.catalog, self.generation
            ):
                return False
            self._whole_until = last
        return True

    def contains(self, studies: Collection[str]) -> set[str]:
        """Return which of these study keys are there."""
        self._check()
        found = catalog_read.live_keys(self.catalog, studies, self.generation)
        if not found.issuperset(studies):
            self._check_all()
        return found

    def cases(self, scope: Scope, offset: int, limit: int | None) -> list[Case]:
        """Return `limit` of the studies in scope after `offset`, in key order, without their paths."""
        self._check()
        found = catalog_read.find_cases(self.catalog, scope, self.generation, offset, limit)
        if scope.only_studies is None or len(found) < len(scope.only_studies):
            self._check_all()
        return found

    def counts(self) -> dict[str, int]:
        """Return how many studies, series, views, slices and sentences there are."""
        self._check_for_all()
        return verifying.counts(self.catalog, self.generation)

    def values_of(self, field: str) -> dict[str, int]:
        """Return how many studies have each stored value of a filter's field."""
        self._check_for_all()
        return self._cached(f"values {field}", lambda: catalog_read.field_values(self.catalog, field, self.generation))

    def passing(self, scope: Scope) -> int:
        """Return how many studies are in scope."""
        self._check_for_all()
        return len(self._study_ids(scope))

    def slice_vectors(self, study: str) -> tuple[ViewVectors, ...]:
        """Return a study's views in the order they were added. Raises `UnknownNameError` for an unknown study."""
        rows = catalog_read.view_rows(self.catalog, study, self.generation)
        if not rows and not self.contains([study]):
            raise UnknownNameError(f"The index has no study {study}; `radseek screen INDEX` lists what it has.")
        self._check()
        self._check_rows(catalog_read.visible_ids(self.catalog, [study], self.generation))
        return tuple(self._view(*row) for row in rows)

    def sentence_vectors(self, study: str) -> NDArray[np.float16]:
        """Return the `(S, D)` vectors of a study's sentences in their order; `(0, 0)` without any."""
        self.contains([study])  # one that is not there has no sentences, unless the catalogue is damaged
        self._check_rows(catalog_read.visible_ids(self.catalog, [study], self.generation))
        found = catalog_read.sentence_places(self.catalog, study, self.generation)
        rows = [self._rows("sentences", segment, row, 1)[0] for segment, row in found]
        return np.stack(rows) if rows else np.zeros((0, 0), np.float16)

    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None
    ) -> list[list[ViewHit]]:
        """Return for each of `(Q, D)` queries its k best views of that name, best first; ties by study key."""
        self._check_for_all()
        table = self._views()
        if view not in table.names:
            return [[] for _ in queries]
        places = np.flatnonzero(table.name == table.names.index(view))
        index = self._cached(f"flat {view}", lambda: FlatIndex(self._pooled(table, places)))
        allowed = self._allowed(table.study[places], scope)
        found = [index.search(query, k, allowed, places) for query in queries]
        answered = {int(p) for rows, _ in found for p in places[rows]}
        self._check_rows(int(table.study[place]) for place in answered)
        names = self._names(table, answered)
        return [
            [ViewHit(*names[int(places[row])], view, float(score)) for row, score in zip(rows, scores, strict=True)]
            for rows, scores in found
        ]

    def search_slices(self, query: NDArray[np.floating], k: int, scope: Scope | None) -> list[SliceHit]:
        """Return the k studies whose best slice has the highest cosine with `(D,)`; ties by key."""
        self._check_for_all()
        table = self._views()
        found = best_slices(table, self.segments, query, self._allowed(table.study, scope), k)
        found = sorted(found, key=lambda hit: (-hit[3], hit[1]))[:k]  # places are in key order
        self._check_rows(study for study, _, _, _ in found)
        names = self._names(table, [place for _, place, _, _ in found])
        zs = self._z(table, [place for _, place, _, _ in found])
        return [
            SliceHit(*names[place], table.names[table.name[place]], int(zs[place][at]), score)
            for _, place, at, score in found
        ]

    def search_sentences(
        self, query: NDArray[np.floating], text: str, k: int, scope: Scope | None
    ) -> list[SentenceHit]:
        """Return the union of the k best sentences by cosine and the k best by keyword, in both orders' ranks."""
        self._check_for_all()
        table = self._cached("sentences", lambda: self._table(tables.load_sentences))
        allowed = self._allowed(table.study, scope)
        return find_sentences(self.catalog, table, self.segments, query, text, k, allowed, self._check_rows)

    def _check_for_all(self) -> None:
        self._check()
        self._check_all()

    def _check(self) -> None:
        if int(self.catalog.setting("compacted")) > self.generation:
            raise IndexFolderError(
                f"{self.catalog.path.parent} was compacted since it was opened at generation {self.generation}; "
                "open it again."
            )

    def _table(self, load: Callable[[Catalog, int, Places], _T]) -> _T:
        try:
            return load(self.catalog, self.generation, self.places)
        finally:
            self._check()  # a compaction meanwhile is why rows are missing

    def _rows(self, name: str, segment: int, start: int, count: int) -> NDArray[np.float16]:
        """Return rows of what one commit wrote, wherever they lie by now."""
        try:
            (at,) = self.places.find(np.array([segment]))
        except IndexDamagedError:
            self._check()  # or it was compacted meanwhile
            raise
        if start < 0 or count < 1 or start + count > self.places.count[name][at]:
            raise IndexDamagedError(
                f"The catalogue names {name} that segment {segment} does not have; restore it from a copy."
            )
        first = int(self.places.first[name][at]) + start
        return self.segments[int(self.places.folder[at])].rows(name, first, first + count)

    def _check_all(self) -> None:
        """Before an answer about all studies: see that no row is changed or gone, where there is reason to doubt it."""
        with self._lock:
            path = self.catalog.path
            if self._in_doubt and changed_files(path.parent, [path]) != []:
                verifying.require_none(verifying.catalogue_problems(self.catalog), path.parent)
            self._in_doubt = False

    def _check_rows(self, studies: Iterable[int]) -> None:
        """Refuse to answer from a study, by row id, whose rows are not those that were written; each looked at once."""
        new = set(studies) - self._whole
        if new:
            catalog_read.check_studies(self.catalog, new)
            self._whole |= new

    def _views(self) -> tables.ViewTable:
        return self._cached("views", lambda: self._table(tables.load_views))

    def _allowed(self, owners: NDArray[np.int64], scope: Scope | None) -> NDArray[np.bool_]:
        return np.isin(owners, self._study_ids(scope))

    def _study_ids(self, scope: Scope | None) -> NDArray[np.int64]:
        """Return the row ids of the studies in scope; one question asks for the same several times."""
        with self._lock:
            if self._last is None or self._last[0] != scope:
                self._last = (scope, catalog_read.study_ids(self.catalog, scope, self.generation))
            return self._last[1]

    def _pooled(self, table: tables.ViewTable, places: NDArray[np.int64]) -> NDArray[np.float16]:
        dim = next(iter(self.segments.values())).array("views").shape[1]
        rows = np.empty((len(places), dim), np.float16)
        for number in np.unique(table.segment[places]):
            here = table.segment[places] == number
            rows[here] = self.segments[int(number)].array("views")[table.row[places[here]]]
        return rows

    def _names(self, table: tables.ViewTable, places: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Return study key and series key of views by their place in the table."""
        rows = catalog_read.views_by_id(self.catalog, {place: int(table.id[place]) for place in places})
        return {place: (study, series) for place, (study, series, _) in rows.items()}

    def _z(self, table: tables.ViewTable, places: Iterable[int]) -> dict[int, NDArray[np.int32]]:
        rows = catalog_read.views_by_id(self.catalog, {place: int(table.id[place]) for place in places})
        return {place: np.frombuffer(z, "<i4") for place, (_, _, z) in rows.items()}

    def _view(
        self, series: str, name: str, segment: int, row: int, start: int, count: int, z: bytes, position: bytes
    ) -> ViewVectors:
        mm = np.frombuffer(position, "<f8").reshape(-1, 3).tolist()
        return ViewVectors(
            view=name,
            series_uid=series,
            slices=self._rows("slices", segment, start, count),
            pooled=self._rows("views", segment, row, 1)[0],
            z=np.frombuffer(z, "<i4").astype(np.int32),
            position=tuple((x, y, z_mm) for x, y, z_mm in mm),
        )

    def _cached(self, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if name not in self._cache:
                self._cache[name] = make()
            found: _T = self._cache[name]
            return found


def _opened(
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
