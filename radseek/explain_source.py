"""What `explain` is asked about: one study on disk or in an index, with its pixels where they can be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retrieval.engine import KEY_PREFIX, Engine
from retrieval.errors import UnknownNameError, UsageError
from retrieval.imaging.read import read_study
from retrieval.index.keys import load_key
from retrieval.index.manifest import is_index
from retrieval.study_vectors import StudyVectors, embed_study, stored_study
from retrieval.targets import relative_path
from retrieval.types import Skipped, Study

__all__ = ["Asked", "find_study"]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One study as the engine takes it (`target`), its pixels where it was read from files, and its vectors."""

    target: Study | str
    study: Study | None
    vectors: StudyVectors
    skipped: tuple[Skipped, ...] = ()


def find_study(engine: Engine, target: str, modality: str | None) -> Asked:
    """Return the one study at a target: a path, the key of a stored study, or an index that holds one study.

    Raises `UsageError` for none or several, `UnknownNameError` for a key that the index does not have, and what
    `read_study` raises.
    """
    path = Path(target)
    if target.startswith(KEY_PREFIX) or is_index(path):
        return _stored(engine, target)
    study = read_study(path, modality=modality)
    vectors = embed_study(study, engine.encoder, load_key(), relative_path(study.paths, path))
    return Asked(study, study, vectors, study.skipped)


def _stored(engine: Engine, target: str) -> Asked:
    if engine.store is None:
        raise UsageError(f"{target} is a study's key; say which index holds it with --index DIR.")
    cases = engine.store.cases(studies=[target] if target.startswith(KEY_PREFIX) else None)
    if not cases:
        raise UnknownNameError(f"The index has no study {target}; `radseek screen INDEX` lists what it has.")
    if len(cases) > 1:
        raise UsageError(
            f"{target} holds {len(cases)} studies and explain asks about one; name its path, or its key with "
            f"--index (the first: {cases[0].key})."
        )
    return Asked(cases[0].key, None, stored_study(engine.store, cases[0]))
