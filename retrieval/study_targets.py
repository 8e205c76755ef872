"""From what a question is about to vectors: a path, a study, an index, or a study's key in the open index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from weakref import WeakKeyDictionary

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.repooled_store import RepooledStore
from radseek.retrieval.index.store import Store
from radseek.retrieval.index.upkeep import checked_key
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import key_of_target, keyed_series, study_key
from radseek.retrieval.scoring.study_vectors import StudyVectors, embed_study, stored_study
from radseek.retrieval.search.similar_cases import MaskedRegion, masked_region
from radseek.retrieval.targets import relative_path, stored_studies, studies_under
from radseek.retrieval.types import Series, Skipped, Study

__all__ = ["StudyTargets", "Target", "refuse_stated", "seen_store"]

# A path, an index's path, a study's key in the open index; or a study, read or encoded already.
Target = str | Path | Study | StudyVectors


def seen_store(store: Store, encoder: Encoder) -> Store:
    """Return a store as an encoder sees it: pooled again where it pools otherwise.

    Raises `EncoderMismatchError` where imaging recipe or towers differ.
    """
    return RepooledStore(store, encoder) if check_match(store.spec, encoder.spec) else store


def refuse_stated(target: Target | None, stated: StatedKind) -> None:
    """Raise `UsageError` where somebody says of which kind stored studies are, which is known."""
    is_stored = target is None or key_of_target(target) is not None
    if stated and (is_stored or (isinstance(target, str | Path) and is_index(Path(target)))):
        raise UsageError(
            f"What stored studies are of is in the index, so '{stated}' is not taken for them; build them again with "
            "`radseek build --metadata FILE --on-duplicate replace`, FILE with the columns study, modality, body_part."
        )


class StudyTargets:
    """Reads and encodes targets for one encoder and, for keys, one open index; a `Study` is encoded once."""

    def __init__(self, encoder: Encoder, store: Store | None, *, isolated: bool) -> None:
        self._encoder = encoder
        self._store = store
        self._isolated = isolated
        self._key: bytes | None = None
        self._embedded: WeakKeyDictionary[Study, StudyVectors] = WeakKeyDictionary()

    def vectors(self, study: Study) -> StudyVectors:
        """Return a study that was read as vectors: those of the index where it holds the same series, else encoded.

        Same means the same key and the same series of the same shapes; encoding is done once for one `Study`.
        """
        key = self._own_key()
        name = study_key(study, key)
        same = [(own, one.volume.voxels.shape[:3]) for own, one in keyed_series(study, name, key).items()]
        for case in self._store.cases(studies=[name]) if self._store is not None else ():
            if self._store is not None and [(one.key, tuple(one.shape[:3])) for one in case.series] == same:
                return stored_study(self._store, case)
        return self.embed(study, relative_path(study.paths, Path(study.paths[0])) if study.paths else "")

    def studies(self, target: Target | None, stated: StatedKind, skipped: list[Skipped]) -> Iterator[StudyVectors]:
        """Yield a target's studies as vectors; what could not be used goes to `skipped`."""
        refuse_stated(target, stated)
        if isinstance(target, StudyVectors):
            yield target
        elif isinstance(target, Study):
            yield self.embed(target, relative_path(target.paths, Path(target.paths[0])) if target.paths else "")
        elif target is None or key_of_target(target) is not None:
            yield from stored_studies(self.need_store("a stored study"), key_of_target(target))
        elif is_index(Path(target)):
            with LocalStore.open(target) as store:
                yield from stored_studies(seen_store(store, self._encoder))
        else:
            for found in studies_under(Path(target), stated, isolated=self._isolated):
                if isinstance(found, Skipped):
                    skipped.append(found)
                else:
                    yield self.embed(*found)

    def one_study(self, target: Target, stated: StatedKind) -> StudyVectors:
        """Return the one study at a target; raises as `read_study` does."""
        if isinstance(target, Study | StudyVectors) or key_of_target(target) is not None:
            return next(self.studies(target, stated, []))
        path = found_path(target)
        study = self.pixels(path, stated)
        return self.embed(study, relative_path(study.paths, path))

    def read(self, target: Target, stated: StatedKind) -> Study | None:
        """Return a target's pixels, or None where there are vectors only; raises as `read_study` does."""
        if isinstance(target, Study):
            return target
        if isinstance(target, StudyVectors) or key_of_target(target) is not None:
            return None
        return self.pixels(target, stated)

    def masked(self, target: Target, stated: StatedKind, mask: str, labels: Sequence[str]) -> MaskedRegion:
        """Return the region that a mask marks in the one study at a target."""
        if isinstance(target, StudyVectors) or key_of_target(target) is not None:
            raise UsageError("A mask needs the images, and an index keeps none; give the path of the study's files.")
        study = target if isinstance(target, Study) else self.pixels(target, stated)
        source = found_path(study.paths[0] if isinstance(target, Study) and study.paths else str(target))
        path = relative_path(study.paths, source) if study.paths else None
        return masked_region(study, path, mask, labels, self._encoder, self._own_key())

    def pixels(self, path: str | Path, stated: StatedKind) -> Study:
        """Read the one study at a path; raises as `read_study` does."""
        return read_study(Path(path), modality=stated.modality, body_part=stated.body_part, isolated=self._isolated)

    def embed(self, study: Study, path: str) -> StudyVectors:
        """Return a study's vectors, encoded once, and named by `path`."""
        if study not in self._embedded:
            self._embedded[study] = embed_study(study, self._encoder, self._own_key(), path)
        return replace(self._embedded[study], path=path)

    def keyed_series(self, study: Study, name: str) -> dict[str, Series]:
        """Return the series of a study of that key by their own keys."""
        return keyed_series(study, name, self._own_key())

    def _own_key(self) -> bytes:
        self._key = checked_key(self._store) if self._key is None else self._key
        return self._key

    def need_store(self, what: str) -> Store:
        """Return the open index. Raises `UsageError`, saying `what` needs one, where there is none."""
        if self._store is None:
            raise UsageError(f"{what} needs an index; open one with Engine.open(path), or give --index.")
        return self._store
