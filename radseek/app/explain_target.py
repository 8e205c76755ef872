"""What `explain` is asked about: one study on disk or in an index, with its pixels where they can be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from radseek.retrieval.engine import Engine, Findings
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Case, Scope
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import key_of_target
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.study_targets import refuse_stated
from radseek.retrieval.targets import relative_path
from radseek.retrieval.types import Skipped, Study

__all__ = ["Asked", "find_study"]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One study, read from files (`study`) or stored in the open index (`case`); `path` as answers show it."""

    path: str | None
    study: Study | None = None
    case: Case | None = None

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """Return the modality and body part of each series."""
        series = self.study.series if self.study is not None else self.case.series if self.case is not None else ()
        return tuple((one.modality, one.body_part) for one in series)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Return what lay beside the study and was not used."""
        return () if self.study is None else self.study.skipped

    def explain(self, engine: Engine, findings: Findings, **options: Any) -> ExplainResult:
        """Return the engine's answer; `options` are those of `Engine.explain`, and so are the errors."""
        target = self.study if self.study is not None else self.case.key if self.case is not None else ""
        result = engine.explain(target, findings, **options)
        return replace(result, evidence=replace(result.evidence, path=self.path))

    def vectors(self, engine: Engine) -> StudyVectors:
        """Return the study as the engine sees it: as the index holds it where it holds the same one, else encoded."""
        store = engine.store
        if self.study is None:
            if self.case is None or store is None:
                raise UsageError("There is no study here; name a path, or the key of a study in an index.")
            return stored_study(store, self.case)
        return replace(engine.vectors(self.study), path=self.path)


def find_study(engine: Engine, target: str, stated: StatedKind = UNSTATED) -> Asked:
    """Return the one study at a target: a path, the key of a stored study, or an index that holds one study.

    Raises `UsageError` for none or several, `UnknownNameError` for a key that the index does not have, and what
    `read_study` raises.
    """
    path = found_path(target)
    refuse_stated(target, stated)
    if key_of_target(target) is not None or is_index(path):
        return _stored(engine, target)
    study = read_study(path, modality=stated.modality, body_part=stated.body_part, isolated=engine.isolated)
    return Asked(relative_path(study.paths, path), study=study)


def _stored(engine: Engine, target: str) -> Asked:
    if engine.store is None:
        raise UsageError(f"{target} is a study's key; say which index holds it with --index DIR.")
    cases = engine.store.cases(studies=[target] if key_of_target(target) is not None else None, limit=2)
    if not cases:
        raise UnknownNameError(f"The index has no study {target}; `radseek screen INDEX` lists what it has.")
    if len(cases) > 1:
        raise UsageError(
            f"{target} holds {engine.store.passing(Scope())} studies and explain asks about one; name its path, or its "
            f"key with --index (the first: {cases[0].key})."
        )
    return Asked(cases[0].path, case=cases[0])
