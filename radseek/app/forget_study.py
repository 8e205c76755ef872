"""Forgetting studies of an index and everything kept beside it: linkage, verdicts, notes, vectors, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radseek.app.kept_files import delete_kept
from radseek.app.notebook import Notebook
from radseek.app.verdicts import VerdictLog
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore

__all__ = ["Forgotten", "Named", "forget"]


@dataclass(frozen=True, slots=True)
class Named:
    """One study or patient to forget: its `name` as it was given, and the keys that the name may stand for.

    `studies` are study keys, `patient` a patient's key, `patient_id` the patient's original id.
    """

    name: str
    studies: frozenset[str] = frozenset()
    patient: str = ""
    patient_id: str = ""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a run took off the disk: study keys. `resumed`: it finished one that was cut short before."""

    generation: int
    studies: tuple[str, ...]
    resumed: bool


def forget(index: Path, wanted: Sequence[Named], key: bytes | None = None) -> Forgotten:
    """Forget studies and patients; run again after it was cut short, it goes on where it stopped.

    `key`, where the keys of `wanted` were made with it, must be the index's: `UsageError` otherwise.
    Raises `UnknownNameError` where one of `wanted` is not there (nothing is forgotten then, and an earlier run is
    finished all the same), `IndexBusyError` where another process writes, `StorageError` where the disk has no room.
    """
    log, notebook = VerdictLog(index), Notebook(index)
    with LocalStore.open(index, read_only=False) as store:
        if key is not None:
            store.require_key(key)
        resumed = store.upkeep.unfinished()
        found = {one: store.upkeep.traces(one.studies, {one.patient}, {one.patient_id}) for one in wanted}
        noted = {one.study for one in log.read().verdicts} | {one.study for one in notebook.entries()}
        before = store.upkeep.forgotten({key for one in wanted for key in (*one.studies, one.patient)})
        for one in wanted:
            found[one] |= noted & one.studies
            if not found[one] and not (resumed and before & {*one.studies, one.patient}):
                store.compact()
                raise _not_there(one, forgotten=bool(before & {*one.studies, one.patient}))
        studies = set().union(*found.values())
        keys = studies | {key for one in wanted for key in before & one.studies}
        for words in (log, notebook):  # the words of readers first: nothing else would lead back to them
            words.forget(keys)
        links = [store.linkage_of(key) for key in studies]
        delete_kept(index, [path for link in links if link is not None for path in link.paths])
        generation = store.forget(studies, {one.patient for one in wanted})
        for words in (log, notebook):  # and what was said of a study while it went
            words.forget(keys)
        keep_closeness(store)
        store.keep_codes()
    return Forgotten(generation, tuple(sorted(studies)), resumed)


def _not_there(one: Named, *, forgotten: bool) -> UnknownNameError:
    if forgotten:
        return UnknownNameError(f"The index has nothing left of {one.name}: it was forgotten before.")
    return UnknownNameError(
        f"The index has nothing of {one.name}, so nothing was forgotten; give a study's key or StudyInstanceUID, or a "
        "patient's original id, as the archive writes it."
    )
