"""One pinned generation of an index, as a reader sees it: its studies, their vectors, and exact search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexDamagedError, IndexFolderError, UnknownNameError
from radseek.retrieval.index import verifying
from radseek.retrieval.index.catalog import catalog_read, row_tables
from radseek.retrieval.index.catalog.bm25 import KeywordIndex
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.columns import VIEWS_OF_UNKNOWN, Mask, StudyColumns, read_columns
from radseek.retrieval.index.catalog.file_sums import changed_files
from radseek.retrieval.index.pinned_answer import pinned
from radseek.retrieval.index.scope_mask import scope_mask
from radseek.retrieval.index.segments.gathered_rows import gathered_rows
from radseek.retrieval.index.segments.opened_layout import opened_layout
from radseek.retrieval.index.segments.places import Places
from radseek.retrieval.index.segments.segment_folders import Segment
from radseek.retrieval.index.sentence_search import Nearest, find_sentences
from radseek.retrieval.index.store import (
    Case,
    Scope,
    SentenceHit,
    SentenceQuery,
    SliceHit,
    Together,
    TopMeans,
    TopQuery,
    ViewHit,
    WordStatistics,
)
from radseek.retrieval.index.vectors.near_views import AskedViews, ViewSearcher
from radseek.retrieval.index.vectors.sentence_vectors import SentenceIndex
from radseek.retrieval.index.vectors.slice_scan import best_slices, top_means
from radseek.retrieval.index.view_search import ViewRows, view_search
from radseek.retrieval.types import ViewVectors

__all__ = ["Snapshot"]

_T = TypeVar("_T")
_MOST_MASKS = 8  # one byte a study each
_MOST_HELD = 16 << 20  # bytes of mapped pages that are handed out before they are given back
_AROUND = 128 << 10  # bytes that come into memory with a row: a block is checked whole


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
        self.generation, self.segments, self.places = opened_layout(catalog, folder, dim, opened or {})
        self._whole_until = self.generation  # the last generation known to have taken nothing away
        self._lock = threading.RLock()
        self._cache: dict[str, Any] = {}
        self._masks: dict[Scope, Mask] = {}  # of the last few questions
        self._held: set[int] = set()  # folders whose mapped pages were handed out since they were last given back
        self._handed_out = 0  # bytes of those pages
        self._in_doubt = in_doubt
        self._whole: set[int] = set()  # row ids of the studies whose rows were checked,
        self._said: set[int] = set()  # and of those whose views' rows were not

    def is_whole(self) -> bool:
        """Say whether nothing of this generation was removed or compacted since."""
        last = self.catalog.generation()
        if last != self._whole_until:
            if self.compacted > self.generation or catalog_read.lost(self.catalog, self.generation):
                return False
            self._whole_until = last
        return True

    @property
    def compacted(self) -> int:
        """Return the generation of the last compaction."""
        return int(self.catalog.setting("compacted"))

    @pinned
    def contains(self, studies: Collection[str]) -> set[str]:
        """Return which of these study keys are there."""
        found = catalog_read.live_keys(self.catalog, studies, self.generation)
        if not found.issuperset(studies):
            self._check_all()
        return found

    @pinned
    def counts(self) -> dict[str, int]:
        """Return how many studies, series, views, slices and sentences there are, counted once."""
        self._check_all()
        return dict(self._cached("counts", lambda: verifying.counts(self.catalog, self.generation)))

    @pinned
    def cases(self, scope: Scope, offset: int, limit: int | None) -> list[Case]:
        """Return `limit` of the studies in scope after `offset`, in key order, without their paths."""
        end = None if limit is None else offset + limit
        if scope.only_studies is not None and scope == Scope(only_studies=scope.only_studies):
            named = catalog_read.ids_of_keys(self.catalog, scope.only_studies, self.generation)  # reads no column
            ids = np.array(named, np.int64)
        else:
            ids = self._columns().ids[self._mask(scope)]
        if scope.only_studies is None or len(ids) < len(scope.only_studies):
            self._check_all()
        return catalog_read.find_cases(self.catalog, ids[offset:end].tolist())

    @pinned
    def study_keys(self, scope: Scope) -> list[str]:
        """Return the keys of the studies in scope, ascending."""
        self._check_all()
        keys = self._columns().keys
        return [keys[place] for place in np.flatnonzero(self._mask(scope)).tolist()]

    @pinned
    def kinds(self) -> list[tuple[str, str]]:
        """Return every pair of modality and body part that a series has, ascending."""
        self._check_all()
        return catalog_read.kinds(self.catalog, self.generation)

    @pinned
    def values_of(self, field: str, scope: Scope | None = None) -> dict[str, int]:
        """Return how many studies (in scope) have each stored value of a filter's field."""
        self._check_all()
        return self._columns().values_of(field, None if scope is None else self._mask(scope))

    @pinned
    def own_columns(self) -> dict[str, bool]:
        """Return the archive's own columns by name, each with whether all its values are numbers."""
        self._check_all()
        return self._columns().own()

    @pinned
    def passing(self, scope: Scope) -> int:
        """Return how many studies are in scope."""
        self._check_all()
        return int(self._mask(scope).sum())

    @pinned
    def slice_vectors(self, study: str) -> tuple[ViewVectors, ...]:
        """Return a study's views in the order they were added. Raises `UnknownNameError` for an unknown study."""
        rows = catalog_read.view_rows(self.catalog, study, self.generation)
        if not rows and not self.contains([study]):
            raise UnknownNameError(f"The index has no study {study}; `radseek screen INDEX` lists what it has.")
        self._check_rows(catalog_read.ids_of_keys(self.catalog, [study], self.generation))
        views = tuple(self._view(*row) for row in rows)
        self._hand_out(sum(view.slices.nbytes + 2 * _AROUND for view in views))
        return views

    @pinned
    def sentence_vectors(self, study: str) -> NDArray[np.float16]:
        """Return the `(S, D)` vectors of a study's sentences in their order; `(0, 0)` without any, or text tower."""
        self.contains([study])  # one that is not there has no sentences, unless the catalogue is damaged
        self._check_rows(catalog_read.ids_of_keys(self.catalog, [study], self.generation))
        has_text = self.catalog.has_text()
        found = catalog_read.sentence_places(self.catalog, study, self.generation) if has_text else []
        rows = [self._rows("sentences", segment, row, 1)[0] for segment, row in found]
        return np.stack(rows) if rows else np.zeros((0, 0), np.float16)

    @pinned
    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None, by: ViewSearcher | None = None
    ) -> list[list[ViewHit]]:
        """Return for each of `(Q, D)` queries its k best views of that name, best first; ties by study key.

        Found `by` another way, where one is given and can say; else every row is compared.
        """
        self._check_all()
        table = self._views()
        if view not in table.names:
            return [[] for _ in queries]
        asked = self._asked(view, scope or Scope())
        found = None if by is None else by.search(asked, queries, k)
        if found is None:
            at, rows = self.catalog.path.parent, self.view_rows
            search = self._cached(f"search of {view}", lambda: view_search(at, view, rows(view), self.compacted))
            found = search.search_views(asked, queries, k)
        answered = {int(place) for places, _ in found for place in places}
        self._check_rows(int(table.study[place]) for place in answered)
        names = self._names(table, answered)
        return [
            [ViewHit(*names[int(place)], view, float(score)) for place, score in zip(places, scores, strict=True)]
            for places, scores in found
        ]

    def _asked(self, view: str, scope: Scope) -> AskedViews:
        table = self._views()
        named = np.flatnonzero(table.name == table.names.index(view))
        owners = table.owner[named]
        return AskedViews(
            *(view, scope, table, named, self._mask(scope)[owners]),
            rows=lambda places: gathered_rows(self.segments, "views", table.segment[places], table.row[places]),
            passing=lambda other: int(self._mask(other)[owners].sum()),
        )

    def view_names(self) -> tuple[str, ...]:
        """Return the names that views have, ascending."""
        return self._views().names

    def view_rows(self, view: str) -> ViewRows:
        """Return the views of that name with their pooled vectors."""
        return ViewRows.named(self._views(), self.segments, view)

    @pinned
    def search_slices(self, query: NDArray[np.floating], k: int, scope: Scope | None) -> list[SliceHit]:
        """Return the k studies whose best slice has the highest cosine with `(D,)`; ties by key."""
        self._check_all()
        table = self._views()
        found = best_slices(table, self.segments, query, self._mask(scope)[table.owner], k)
        found = sorted(found, key=lambda hit: (-hit[3], hit[1]))[:k]  # places are in key order
        self._check_rows(study for study, _, _, _ in found)
        names = self._names(table, [place for _, place, _, _ in found])
        zs = self._z(table, [place for _, place, _, _ in found])
        return [
            SliceHit(*names[place], table.names[table.name[place]], int(zs[place][at]), score)
            for _, place, at, score in found
        ]

    @pinned
    def word_statistics(self, text: str) -> WordStatistics:
        """Return what BM25 needs to know of the words of `text`."""
        self._check_all()
        return self._keywords().statistics(text)

    @pinned
    def search_sentences(
        self, query: SentenceQuery, text: str, k: int, scope: Scope | None, statistics: Together = None
    ) -> list[SentenceHit]:
        """Return the union of the k best sentences by cosine and the k best by keyword, in both orders' ranks.

        Without a `query` by keyword alone, as where the index has no vectors of sentences.
        """
        self._check_all()
        table = self._sentences()
        nearest = None
        if query is not None:
            of = (self.segments, "sentences", table.segment, table.row)
            vectors = self._cached("vectors of sentences", lambda: SentenceIndex(gathered_rows(*of)))
            nearest = Nearest(vectors, query)
        allowed, scored = self._mask(scope)[table.owner], self._keywords().scores(text, statistics)
        return find_sentences(self.catalog, table, nearest, scored, k, allowed, self._check_said)

    def top_means(self, query: TopQuery, scope: Scope) -> Iterator[TopMeans]:
        """Yield, block by block, each view's mean of the top share of its slices' products."""
        self._check_all()
        table, mask = self._views(), self._mask(scope)
        unknown = self._cached("unknown modality", self._views_of_unknown)
        self.check_pinned()  # all else is in memory, or mapped
        place = np.cumsum(mask) - 1
        for code, name in enumerate(table.names):
            for is_unknown in (False, True):
                if query.views is not None and name not in query.views and not is_unknown:
                    continue
                places = np.flatnonzero(mask[table.owner] & (table.name == code) & (unknown == is_unknown))
                for views, means in top_means(table, self.segments, query.directions, places, query.share):
                    yield TopMeans(place[table.owner[views]], name, not is_unknown, means, table.count[views])

    @pinned
    def stored_views(self) -> tuple[row_tables.ViewTable, StudyColumns]:
        """Return all views of this generation, and its studies."""
        self._check_all()
        return self._views(), self._columns()

    def _keywords(self) -> KeywordIndex:
        return self._cached("keywords", lambda: KeywordIndex(self.catalog))

    def check_pinned(self) -> None:
        """Raise `IndexFolderError` where a compaction deleted what this generation needs."""
        if self.compacted > self.generation:
            raise IndexFolderError(
                f"{self.catalog.path.parent} was compacted since it was opened at generation {self.generation}; "
                "open it again."
            )

    def _columns(self) -> StudyColumns:
        return self._cached("studies", lambda: StudyColumns(self.catalog, self.generation))

    def _table(self, load: Callable[[Catalog, StudyColumns, Places], _T]) -> _T:
        try:
            return load(self.catalog, self._columns(), self.places)
        finally:
            self.check_pinned()  # a compaction meanwhile is why rows are missing

    def _rows(self, name: str, segment: int, start: int, count: int) -> NDArray[np.float16]:
        """Return rows of what one commit wrote, wherever they lie by now."""
        try:
            (at,) = self.places.find(np.array([segment]))
        except IndexDamagedError:
            self.check_pinned()  # or it was compacted meanwhile
            raise
        if start < 0 or count < 1 or start + count > self.places.count[name][at]:
            raise IndexDamagedError(
                f"The catalogue names {name} that segment {segment} does not have; restore it from a copy."
            )
        first, folder = int(self.places.first[name][at]) + start, int(self.places.folder[at])
        self._held.add(folder)
        return self.segments[folder].rows(name, first, first + count)

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
            catalog_read.check_studies(self.catalog, new, views=True)
            self._whole |= new

    def _check_said(self, studies: Iterable[int]) -> None:
        """As `_check_rows`, where an answer comes from what a study says, and not from its images."""
        new = set(studies) - self._whole - self._said
        if new:
            catalog_read.check_studies(self.catalog, new, views=False)
            self._said |= new

    def _views(self) -> row_tables.ViewTable:
        return self._cached("views", lambda: self._table(row_tables.load_views))

    def _sentences(self) -> row_tables.SentenceTable:
        return self._cached("sentences", lambda: self._table(row_tables.load_sentences))

    def _mask(self, scope: Scope | None) -> Mask:
        """Return the studies in scope; one question asks for the same several times."""
        scope = scope or Scope()
        with self._lock:
            if scope not in self._masks:
                while len(self._masks) >= _MOST_MASKS:
                    del self._masks[next(iter(self._masks))]
                self._masks[scope] = scope_mask(scope, self._columns(), self._views)
            return self._masks[scope]

    def _views_of_unknown(self) -> NDArray[np.bool_]:
        (ids,), _ = read_columns(self.catalog, ["v.id"], [], VIEWS_OF_UNKNOWN)
        return np.isin(self._views().id, ids)

    def _names(self, table: row_tables.ViewTable, places: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Return study key and series key of views by their place in the table."""
        rows = catalog_read.views_by_id(self.catalog, {place: int(table.id[place]) for place in places})
        return {place: (study, series) for place, (study, series, _) in rows.items()}

    def _z(self, table: row_tables.ViewTable, places: Iterable[int]) -> dict[int, NDArray[np.int32]]:
        rows = catalog_read.views_by_id(self.catalog, {place: int(table.id[place]) for place in places})
        return {place: np.frombuffer(z, "<i4") for place, (_, _, z) in rows.items()}

    def _hand_out(self, size: int) -> None:
        """Give mapped pages back now and then: who screens an archive sees all of it, and needs each study once."""
        with self._lock:
            self._handed_out += size
            if self._handed_out > _MOST_HELD:
                held, self._held, self._handed_out = self._held, set(), 0
                for number in held:
                    self.segments[number].let_go()

    def _view(
        self, series: str, name: str, segment: int, row: int, start: int, count: int, z: bytes, position: bytes
    ) -> ViewVectors:
        mm = np.frombuffer(position, "<f8").reshape(-1, 3).tolist()
        return ViewVectors(
            view=name,
            series_key=series,
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
