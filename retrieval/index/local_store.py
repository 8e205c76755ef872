"""LocalStore: an index in one folder, with its linkage file beside it. One writer, any number of readers."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.encoders.encode_series import pool_view
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.pooling.adapted_encoder import Pool, load_pool, with_pooling
from radseek.retrieval.encoders.spec import EncoderSpec, check_match
from radseek.retrieval.errors import IndexDamagedError, UnknownNameError, UsageError
from radseek.retrieval.index import commit, forgetting, key_agreement, make_codes, verifying
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.file_sums import changed_files, clear_sums, write_sums
from radseek.retrieval.index.catalog.linkage import LinkageFile, linkage_path
from radseek.retrieval.index.catalog.schema import FORMAT
from radseek.retrieval.index.catalog.sqlite_file import identity
from radseek.retrieval.index.index_pooling import check_adapter, clean_adapters, keep_adapter, own_adapter
from radseek.retrieval.index.kept_codes import tidy_codes
from radseek.retrieval.index.manifest import MANIFEST, agreed_spec, is_index, read_manifest, write_manifest
from radseek.retrieval.index.new_index import CATALOG, KEY_CHECK, make_index, make_room
from radseek.retrieval.index.segments import rewriting
from radseek.retrieval.index.segments.merging import merge
from radseek.retrieval.index.segments.segment_folders import clean_orphans
from radseek.retrieval.index.snapshot import Snapshot
from radseek.retrieval.index.store import (
    Case,
    Linkage,
    Scope,
    SentenceHit,
    SentenceQuery,
    SliceHit,
    StudyRecord,
    Together,
    TopMeans,
    TopQuery,
    ViewHit,
    WordStatistics,
)
from radseek.retrieval.index.upkeep import Upkeep
from radseek.retrieval.index.vectors.vector_table import StoredVectors
from radseek.retrieval.index.writer_lock import locked
from radseek.retrieval.types import ViewVectors

__all__ = ["LocalStore"]


class LocalStore(StoredVectors):
    """Implements `radseek.retrieval.index.store.Store`. Get one from `open` or `create`; close it, or use `with`."""

    def __init__(self, path: Path, lock: FileLock | None) -> None:
        self.path, self._folder = path, path / "segments"
        self._lock = lock
        self._linkage: LinkageFile | None = None
        self._newest = self._first_written = 0
        self.verified = verifying.Verified(0, hashed=False)  # by the last `verify`
        manifest = read_manifest(path)
        self._catalog = Catalog(path / CATALOG, read_only=lock is None)
        try:
            self._spec = agreed_spec(path, manifest.spec, self._catalog.setting("encoder"))
            self._adapter = self._catalog.setting("own_pooling", "")
            self._key_check = key_agreement.agreed(path, manifest.key_check, self._catalog.setting(KEY_CHECK, ""))
            self._linkage_was_there = linkage_path(path).exists()
            if lock is not None or os.access(linkage_path(path), os.R_OK):  # it may be there and not for this user
                self._linkage = LinkageFile(linkage_path(path), read_only=lock is None)
            self._in_doubt = verifying.in_doubt(path, self._files(), self._catalog, writing=lock is not None)
            if lock is not None:
                clear_sums(path)
                if (manifest.format, manifest.key_check) != (FORMAT, self._key_check):  # it lags behind the catalogue
                    write_manifest(path, manifest.spec, self._key_check)
                with writing_to(path):
                    clean_adapters(path, self._adapter)
                    tidy_codes(path, int(self._catalog.setting("compacted")))
                    clean_orphans(self._folder, {info.folder_name for info in self._catalog.layout().folders})
                self._newest = self._first_written = self._catalog.next_folder()
            self._now = Snapshot(self._catalog, self._folder, self._spec.dim, in_doubt=self._in_doubt)
            self._file = identity(path / CATALOG)
        except BaseException:
            self._close_files()
            raise

    @classmethod
    def create(cls, path: str | Path, spec: EncoderSpec, key: bytes | None = None) -> LocalStore:
        """Return an empty index, open for writing. Raises `UsageError` where there is one already, or something else.

        Args:
            path: its folder.
            spec: the encoder's, whose vectors it will hold.
            key: the secret that studies' keys are made with, of which a check is kept; None where it is not known yet.
        """
        path = Path(path)
        make_room(path)
        with locked(path) as lock:
            make_index(path, spec, key)
            return cls(path, lock)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = True) -> LocalStore:
        """Return the index in the folder `path`: to read, pinned to its last generation, or not `read_only`, to write.

        Raises `UsageError` without one, `IndexDamagedError` where it is changed, `IndexBusyError` beside a writer.
        """
        path = Path(path)
        if read_only:
            return cls(path, None)
        read_manifest(path)
        with locked(path) as lock:
            return cls(path, lock)

    def __enter__(self) -> LocalStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; a writer leaves an index that can be copied, and gives its lock up."""
        try:
            whole = self._lock is not None and not (self._in_doubt and self.upkeep.problems())
            self._close_files()
            if whole:
                write_sums(self.path, self._files())
        finally:
            if self._lock is not None:
                self._lock.release()

    @property
    def spec(self) -> EncoderSpec:
        """Return the encoder whose vectors are stored."""
        return self._spec

    @property
    def generation(self) -> int:
        """Return the pinned generation (reader) or the last one committed (writer)."""
        return self._now.generation

    def is_current(self) -> bool:
        """Say whether no study of this generation was removed or rewritten by another process, nor the index exchanged.

        What was only added since changes nothing. Raises as reading does where the catalogue cannot be read.
        """
        return is_index(self.path) and identity(self.path / CATALOG) == self._file and self._now.is_whole()

    @property
    def upkeep(self) -> Upkeep:
        """Return what keepers of an index ask of it: the forgotten, the originals, what is left to do."""
        return Upkeep(self.path, self._catalog, self._linkage)

    def counts(self) -> dict[str, int]:
        """Return how many studies, series, views, slices and sentences there are."""
        return self._now.counts()

    def contains(self, studies: Collection[str]) -> set[str]:
        """Return which of these keys, `studies`, are there."""
        return self._now.contains(studies)

    def add(self, records: Iterable[StudyRecord], *, replace_existing: bool = False) -> int:
        """Commit `records` in one transaction and return the new generation; nothing to add changes nothing.

        Raises `UsageError` for a study that is there already (unless `replace_existing`) or vectors that do not fit.
        """
        linkage = self._writable()
        commit.add(self._catalog, linkage, self._folder, self._spec.dim, records, replace_existing=replace_existing)
        return self._merged()

    def remove(self, studies: Collection[str]) -> int:
        """Hide studies and delete their linkage; their data is gone from disk after `compact`.

        Raises `UnknownNameError` where one is not there.
        """
        linkage = self._writable()
        if missing := sorted(set(studies) - self.contains(studies)):
            raise UnknownNameError(f"{self.path} has no study {missing[0]}; `radseek screen` lists what it has.")
        commit.remove(self._catalog, linkage, studies)
        return self._moved_on()

    def compact(self) -> int:
        """Delete removed studies from disk and return the new generation; readers must open the index again."""
        linkage = self._writable()
        rewriting.compact(self._catalog, self._folder, self._spec.dim, self._now.segments, self._now.places)
        forgetting.sweep(self._catalog, linkage)
        return self._merged()

    def keep_codes(self) -> None:
        """Make what searching many views begins with, where it is due: `make_codes`."""
        self._writable()
        make_codes.keep_codes(self.path, self._now)

    def forget(self, studies: Collection[str], patients: Collection[str] = ()) -> int:
        """Take studies off the disk for good, and keep their keys and those of `patients` out of later builds.

        `studies` need not be there any more. Cut short, it is finished by running it again, or by `compact`. Returns
        the new generation; readers must open the index again.
        """
        self._writable()
        forgetting.hide(self._catalog, studies, {*studies, *patients} - {""})
        return self.compact()

    def require_key(self, key: bytes) -> bool:
        """Raise `UsageError` where the index was built with another `key`; return whether it is known to be this one.

        A writer keeps the check of a key that it knows to be the one, where an older index has none.
        """
        known = key_agreement.require_key(self._catalog, self._linkage, self._key_check, key)
        if known and not self._key_check and self._lock is not None:
            self._key_check = key_agreement.keep_check(self._catalog, key)
            write_manifest(self.path, self._spec, self._key_check)
        return known

    def knows_key(self) -> bool:
        """Say whether the index keeps a check of its key."""
        return bool(self._key_check)

    def repool(self, encoder: Encoder) -> int:
        """Pool every view again from its slice vectors, as `encoder` does; return the new generation.

        Raises `EncoderMismatchError` where more than the pooling differs. Readers must open the index again.
        """
        self._writable()
        if not check_match(self._spec, encoder.spec):
            return self.generation
        return self._pool_again(encoder.spec, partial(pool_view, encoder), "")

    def adopt_pooling(self, adapter: Path) -> int:
        """Make `adapter`, a slice-pooling adapter's file, the index's own: keep a copy, and pool every view with it.

        Whoever opens the index pools with it. Returns the new generation; readers must open the index again. Raises
        `EncoderError` where the file is no adapter for vectors of this width.
        """
        self._writable()
        name = keep_adapter(self.path, adapter)
        spec, pool = load_pool(self._spec, own_adapter(self.path, name))
        if name == self._adapter:
            return self.generation
        return self._pool_again(spec, lambda rows: pool(rows).astype(np.float16), name)

    def with_own_pooling(self, encoder: Encoder) -> Encoder:
        """Return `encoder` as this index pools: with the index's own adapter, where it has one and the towers fit.

        Raises `IndexDamagedError` where the adapter's file is not the one that was kept.
        """
        if not self._adapter or encoder.spec.towers_hash != self._spec.towers_hash:
            return encoder
        return with_pooling(encoder, own_adapter(self.path, self._adapter))

    def own_pool(self) -> Pool | None:
        """Return the index's own adapter as a function from `(N, D)` slice vectors to a unit `(D,)`, or None."""
        return load_pool(self._spec, own_adapter(self.path, self._adapter))[1] if self._adapter else None

    def verify(self) -> dict[str, int]:
        """Recount and re-hash everything; return the counts, or raise `IndexDamagedError` with what is wrong."""
        if self._adapter:
            check_adapter(self.path, self._adapter, self._spec)
        now = self._now
        self.verified = verifying.verify(self._catalog, self._linkage, now.segments, now.places, self.path)
        verifying.require_none(make_codes.compare_codes(self.path, now), self.path)
        return self.counts()

    def check_written(self) -> None:
        """Hash what this writer has written, as it lies on the disk; raise `IndexDamagedError` unless it was meant."""
        for number, segment in self._now.segments.items():
            if number >= self._first_written:
                segment.check_hashes()

    def linkage_of(self, study: str) -> Linkage | None:
        """Return the original identifiers and paths of `study`, a key, where the linkage file is there."""
        if self._linkage is None:
            return None
        if (found := self._linkage.get(study)) is None and self.contains([study]):
            self._check_linkage(self._linkage)
        return found

    def cases(
        self,
        scope: Scope | None = None,
        *,
        studies: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Case]:
        """Return the studies in scope, or of those the ones named, in key order: `limit` of them after `offset`."""
        scope = scope or Scope()
        if studies is not None:
            others = frozenset(studies) if scope.only_studies is None else scope.only_studies
            scope = replace(scope, only_studies=others.intersection(studies))
        found = self._now.cases(scope, offset, limit)
        paths = self._paths([case.key for case in found])
        return [replace(case, path=paths.get(case.key)) for case in found]

    def study_keys(self, scope: Scope | None = None) -> list[str]:
        """Return the keys of the studies in scope, ascending."""
        return self._now.study_keys(scope or Scope())

    def kinds(self) -> list[tuple[str, str]]:
        """Return every pair of modality and body part that a series has, ascending."""
        return self._now.kinds()

    def values_of(self, field: str, scope: Scope | None = None) -> dict[str, int]:
        """Return how many studies (in scope) have each stored value of a filter's field."""
        return self._now.values_of(field, scope)

    def own_columns(self) -> dict[str, bool]:
        """Return the archive's own columns, each with whether it holds numbers alone."""
        return self._now.own_columns()

    def passing(self, scope: Scope) -> int:
        """Return how many studies are in scope."""
        return self._now.passing(scope)

    def slice_vectors(self, study: str) -> tuple[ViewVectors, ...]:
        """Return a study's views in the order they were added. Raises `UnknownNameError` for an unknown study."""
        return self._now.slice_vectors(study)

    def sentence_vectors(self, study: str) -> NDArray[np.float16]:
        """Return the `(S, D)` vectors of the report sentences of `study`, a key, in the order of `Case.sentences`."""
        return self._now.sentence_vectors(study)

    def search_views(
        self, view: str, queries: NDArray[np.floating], k: int, scope: Scope | None = None
    ) -> list[list[ViewHit]]:
        """Return for each of `(Q, D)` queries its k best views of that name, best first; ties by study key."""
        return self._now.search_views(view, queries, k, scope)

    def search_slices(self, query: NDArray[np.floating], k: int, scope: Scope | None = None) -> list[SliceHit]:
        """Return the k studies whose best slice has the highest cosine with `(D,)`; ties by key."""
        return self._now.search_slices(query, k, scope)

    def word_statistics(self, text: str) -> WordStatistics:
        """Return what BM25 needs to know of the words of `text`."""
        return self._now.word_statistics(text)

    def search_sentences(
        self, query: SentenceQuery, text: str, k: int, scope: Scope | None = None, statistics: Together = None
    ) -> list[SentenceHit]:
        """Return the union of the k best sentences by cosine and the k best by keyword, in key order."""
        return self._now.search_sentences(query, text, k, scope, statistics)

    def top_means(self, query: TopQuery, scope: Scope | None = None) -> Iterator[TopMeans]:
        """Yield, block by block, each view's mean of the top share of its slices' products."""
        return self._now.top_means(query, scope or Scope())

    def _paths(self, studies: Collection[str]) -> dict[str, str]:
        if self._linkage is None:
            return {}
        if len(found := self._linkage.paths(studies)) < len(studies):
            self._check_linkage(self._linkage)
        return found

    def _check_linkage(self, linkage: LinkageFile) -> None:
        """Where a study has no linkage and the file was changed, not deleted, it is no answer that there is none."""
        lost = self._in_doubt and (linkage.problems() or changed_files(self.path, self._files()))
        if lost and self._linkage_was_there:
            raise IndexDamagedError(
                f"{linkage_path(self.path)} lacks studies and was changed since it was written; restore it from a copy."
            )

    def _writable(self) -> LinkageFile:
        if self._lock is None or self._linkage is None:
            raise UsageError(f"{self.path} is open for reading; open it with read_only=False to change it.")
        return self._linkage

    def _pool_again(self, spec: EncoderSpec, pool: rewriting.Pool, adapter: str) -> int:
        """Rewrite the index with another pooling; the manifest follows the catalogue, old adapters go last."""
        rewriting.repool(self._catalog, self._folder, self._now.segments, self._now.places, spec, pool, adapter)
        self._spec, self._adapter = spec, adapter
        write_manifest(self.path, spec, self._key_check)
        clean_adapters(self.path, adapter)
        return self._moved_on()

    def _merged(self) -> int:
        try:
            merge(self._catalog, self._folder, self._spec.dim)
        finally:
            self._moved_on()
        return self._now.generation

    def _moved_on(self) -> int:
        if (self._catalog.generation(), newest := self._catalog.next_folder()) != (self._now.generation, self._newest):
            self._newest = newest
            self._now = Snapshot(self._catalog, self._folder, self._spec.dim, self._now.segments)
        return self._now.generation

    def _close_files(self) -> None:
        try:
            if self._linkage is not None:
                self._linkage.close()
        finally:
            self._catalog.close()

    def _files(self) -> list[Path]:
        return [self._catalog.path, self.path / MANIFEST, *([] if self._linkage is None else [self._linkage.path])]
