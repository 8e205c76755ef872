"""A session: one engine on one index, and the studies that visitors uploaded. The page and the server share it.

An engine answers one question at a time, so whoever asks waits for it; what is only looked up in the index does
not. Uploaded studies are held in memory, never in the index, and the oldest go first. Where another process took
studies out of the index, or rewrote it, it is opened again before the next question.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Final

from radseek.app.case_images import CaseImages
from radseek.app.original_study import OriginalStudy, original_study
from radseek.pictures.slice_pictures import Picture
from radseek.prompts.set_choice import set_for
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import (
    BusyError,
    IndexBusyError,
    IndexFolderError,
    RadseekError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.imaging.study_reader import start_readers
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, Scope, Store
from radseek.retrieval.privacy.pseudonyms import StudyKey, keyed_series, load_key
from radseek.retrieval.scoring.kind_guess import KindGuess, guess_kind
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import Kind
from radseek.retrieval.types import Series, Study

__all__ = ["MOST_BYTES", "MOST_UPLOADED", "Session"]

_log: Final = logging.getLogger(__name__)

MOST_UPLOADED = 16  # studies; a chest CT of 60 slices takes some 30 MB
MOST_BYTES = 4 << 30  # of voxels, all of them together; the newest is held whatever its size
_PAGE = 128  # studies
_ENGINE_TIMEOUT = 60.0  # seconds that a question waits for the engine
_READERS = 2  # processes: one reads the study, another its first slice
_BETWEEN_TRIES = 2.0  # seconds between two tries to open an index that could not be opened
_LATELY = 60.0  # seconds between two openings for what questions said, where the index itself says that nothing changed


class Session:
    """Close it, or use `with`."""

    def __init__(
        self,
        engine: Engine,
        index: Path | None = None,
        model: str | Path | None = None,
        milvus: str | None = None,
    ) -> None:
        """Take an engine (closed with the session), and what it was opened with: index, model, address of Milvus."""
        self.index = index
        self._model, self._milvus = model, milvus
        self._engine = engine
        self._engine_lock = RLock()
        self._looking = RLock()  # reading a study's files does not wait for the engine
        self._listing = RLock()  # nor does looking up what is stored; it only waits while the index is opened again
        self._uploaded: OrderedDict[str, Study] = OrderedDict()
        self._key = load_key()
        self._images = CaseImages(index, self._key, self._uploaded)
        self.editions = 0  # how often the index was opened again
        self._askers = 0  # calls that have the engine, one inside another
        self._shut = ""  # why there is no index to ask
        self._doubt = ""  # what a question lately said of the index
        self._doubted = self._tried = -_LATELY  # when it said so, and when the index was last opened again

    @classmethod
    def open(
        cls, index: str | Path | None = None, model: str | Path | None = None, milvus: str | None = None
    ) -> Session:
        """Open an index, or without one an encoder alone; raises as `Engine.open` and `load_encoder` do."""
        if index is None:
            return cls(Engine(load_encoder(str(model or "builtin")), isolated=True))
        return cls(Engine.open(index, model, isolated=True, milvus=milvus), Path(index), model, milvus)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index and forget what was uploaded."""
        with self._engine_lock, self._looking, self._listing:
            self._uploaded.clear()
            self._images.close()
            self._engine.close()

    def reopen(self) -> None:
        """Read the index anew, after it was changed; what was uploaded stays. Raises as `open` does."""
        if self.index is None:
            return
        with self._engine_lock, self._looking:
            engine = Engine.open(self.index, self._model, isolated=True, milvus=self._milvus)
            with self._listing:
                self._engine.close()
                self._images.close()
                self._engine, self._images = engine, CaseImages(self.index, self._key, self._uploaded)
            self.editions += 1
            _log.info("%s was opened again", self.index)
            self._shut = ""

    @contextmanager
    def engine(self, timeout: float = _ENGINE_TIMEOUT) -> Iterator[Engine]:
        """Give the engine to one caller at a time.

        Raises `BusyError` after `timeout` seconds of waiting, `IndexFolderError` where the index was changed by
        another process and cannot be opened again.
        """
        if not self._engine_lock.acquire(timeout=timeout):
            raise BusyError(f"The engine has been busy for {timeout:.0f} seconds; ask again in a moment.")
        try:
            if not self._askers:  # whoever has an engine already keeps it
                self._catch_up()
            self._askers += 1
            try:
                yield self._engine
            except IndexFolderError as error:
                if not isinstance(error, IndexBusyError):
                    self._doubt, self._doubted = str(error), time.monotonic()
                raise
            finally:
                self._askers -= 1
        finally:
            self._engine_lock.release()

    @contextmanager
    def _stored(self) -> Iterator[Store | None]:
        """Give the index to look up what is stored, beside the question that the engine is at.

        Waits for the engine where the index has to be opened again, or where a question found it lacking. Raises as
        `engine` does.
        """
        with self._listing:
            if not self._shut and self._doubted <= self._tried and self._is_current():
                yield self._engine.store
                return
        with self.engine() as engine:
            yield engine.store

    def trouble(self) -> str:
        """Return why no question about the index can be answered, in words for its keeper, or "" where they can.

        While somebody asks, the answer is that of the last question.
        """
        try:
            with self.engine(0.0):
                pass
        except BusyError:
            return self._shut
        except IndexFolderError as error:
            return str(error)
        again = self._doubted > self._tried > time.monotonic() - _LATELY
        return self._doubt if again else ""

    def _catch_up(self) -> None:
        """Open the index again where it is not the one that was opened, or where a question found it lacking.

        What was opened again and does not help is left for a while.
        """
        if self.index is None:
            return
        now, current = time.monotonic(), self._is_current()
        if current and (self._doubted <= self._tried or now < self._tried + _LATELY):
            self._shut = ""
            return
        if self._shut and now < self._tried + _BETWEEN_TRIES:
            raise IndexFolderError(self._shut)
        self._tried = now
        try:
            self.reopen()
        except (RadseekError, OSError) as error:
            self._shut = (
                f"{self.index} was changed or taken away by another process, and cannot be opened again ({error}); "
                "put it back, or start again with another."
            )
            raise IndexFolderError(self._shut) from error

    def _is_current(self) -> bool:
        try:
            return self._engine.is_current()
        except IndexBusyError:
            raise
        except (RadseekError, OSError):
            return False

    def warm(self) -> None:
        """Start what reads studies, and prepare the finding sets that fit the stored ones: no visitor waits for it."""
        if self.index is not None:
            start_readers(_READERS)
        for name in sorted({name for kind in self.kinds() if (name := set_for(*kind)) is not None}):
            with self.engine() as engine:
                engine.prepare(name)

    def upload(self, study: Study) -> str:
        """Hold a study that was read and return its key; encodes it, which takes its seconds.

        It never takes the place of a stored study, nor of another one that is held, whatever its UID: then it is held
        as an upload, under a key of its own.
        """
        with self.engine() as engine:
            key = engine.vectors(study).key
            if not study.is_upload and self._is_taken(engine, key, study):
                study = replace(study, is_upload=True)
                key = engine.vectors(study).key
            self._uploaded[key] = study
            self._uploaded.move_to_end(key)
            while len(self._uploaded) > MOST_UPLOADED or (len(self._uploaded) > 1 and self._bytes() > MOST_BYTES):
                self._uploaded.popitem(last=False)
            return key

    def _is_taken(self, engine: Engine, key: str, study: Study) -> bool:
        held = self._uploaded.get(key)
        other = held is not None and held.content_hash != study.content_hash
        return other or (engine.store is not None and bool(engine.store.cases(studies=[key])))

    def _bytes(self) -> int:
        return sum(one.volume.voxels.nbytes for study in self._uploaded.values() for one in study.series)

    def target(self, key: str) -> Study | str:
        """Return what to ask the engine about: the study uploaded under this key, or the key of a stored one.

        Raises `UnknownNameError` for a key that is neither.
        """
        with self.engine():
            if key in self._uploaded:
                return self._uploaded[key]
            self.case(key)
            return StudyKey(key)

    def drop(self, key: str) -> bool:
        """Forget a study that was uploaded; say whether there was one of this key."""
        with self.engine():
            return self._uploaded.pop(key, None) is not None

    def is_uploaded(self, key: str) -> bool:
        """Say whether a study is held for a visitor, rather than stored."""
        return key in self._uploaded

    def pixels(self, key: str) -> Study | None:
        """Return a study with its voxels; None for a stored one whose files can no longer be read."""
        uploaded = self._uploaded.get(key)
        if uploaded is not None:
            return uploaded
        kinds = _kinds(self.case(key))
        return self._images.study(key, kinds)

    def opening_slice(self, key: str) -> Study | None:
        """Return one slice of a stored study, to be shown until the whole is read; None where that takes no longer.

        Raises `UnknownNameError`.
        """
        return None if self.is_uploaded(key) else self._images.opening(key, self.case(key).series)

    def keyed_series(self, key: str, study: Study) -> dict[str, Series]:
        """Return the series of a study of that key by their own keys."""
        return keyed_series(study, key, self._key)

    def picture(self, key: str, series: str, view: str, z: int, *, side: int = 320) -> Picture | None:
        """Return slice `z` of a view of a series, drawn `side` pixels long; None where it can no longer be read.

        Raises `UnknownNameError` for a study that nobody uploaded or stored.
        """
        kinds = [] if self.is_uploaded(key) else _kinds(self.case(key))
        with self._looking:
            return self._images.draw(key, series, view, z, side=side, kinds=kinds)

    def vectors(self, key: str) -> StudyVectors:
        """Return a study as the engine sees it. Raises `UnknownNameError`."""
        with self.engine() as engine:
            if key in self._uploaded:
                return engine.vectors(self._uploaded[key])
            if engine.store is None:
                raise UsageError("No index is open; upload a study, or open an index.")
            return stored_study(engine.store, self.case(key))

    def case(self, key: str) -> Case:
        """Return what the index says of a stored study. Raises `UnknownNameError`."""
        cases = self.named([key])
        if not cases:
            raise UnknownNameError(
                f"There is no study {key} here; the list of studies names those that are, or upload it again."
            )
        return cases[0]

    def original(self, key: str) -> OriginalStudy:
        """Return what a stored study is called outside.

        Raises `UnknownNameError` for a study that is not stored, `UsageError` where the linkage file is not there.
        """
        self.case(key)
        if self.index is None:
            raise UsageError("No index is open here; start the server with one.")
        with LocalStore.open(self.index) as store:
            return original_study(store, key)

    def edition(self) -> tuple[int, int]:
        """Return what tells the index as it is now from what it was before a change; (0, 0) without one."""
        with self._stored() as store:
            return (0, 0) if store is None else (self.editions, store.generation)

    def cases(self, offset: int = 0, limit: int | None = None) -> list[Case]:
        """Return the stored studies in key order, `limit` of them after `offset`; [] without an index."""
        with self._stored() as store:
            return [] if store is None else store.cases(offset=offset, limit=limit)

    def named(self, keys: Sequence[str]) -> list[Case]:
        """Return those of some studies that are stored, in key order."""
        with self._stored() as store:
            return [] if store is None else store.cases(studies=keys)

    def each_case(self) -> Iterator[Case]:
        """Yield the stored studies in key order, a page of them held at a time."""
        for offset in count(0, _PAGE):
            page = self.cases(offset, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return

    def study_keys(self) -> list[str]:
        """Return the keys of the stored studies, ascending."""
        with self._stored() as store:
            return [] if store is None else store.study_keys()

    def kinds(self) -> list[tuple[str, str]]:
        """Return every pair of modality and body part that a stored series has, ascending."""
        with self._stored() as store:
            return [] if store is None else store.kinds()

    def own_columns(self) -> list[str]:
        """Return the names of the columns that the archive's builder brought, ascending."""
        with self._stored() as store:
            return [] if store is None else sorted(store.own_columns())

    def count(self) -> int:
        """Return how many studies are stored; 0 without an index."""
        with self._stored() as store:
            return 0 if store is None else store.passing(Scope())

    def guess(self, key: str) -> KindGuess | None:
        """Return what an upload whose files do not say it looks like; None where they do, or nothing is sure."""
        unknown = [one for one in self.vectors(key).series if not (one.modality and one.body_part)]
        with self.engine() as engine:
            return guess_kind([view for one in unknown for view in one.views], TextVectors(engine.encoder))

    def finding_set(self, key: str) -> str | None:
        """Return the name of the shipped finding set that fits a study, or None where none was written for it."""
        uploaded = self.vectors(key).series if self.is_uploaded(key) else ()
        kinds = [(one.modality, one.body_part) for one in uploaded or self.case(key).series]
        return next((name for name in (set_for(*kind) for kind in kinds) if name is not None), None)


def _kinds(case: Case) -> list[Kind]:
    return [(one.modality, one.body_part) for one in case.series]
