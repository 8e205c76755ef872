"""The studies that a command's target names, as vectors or keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from radseek.cli.console import print_json
from radseek.index_builder import embed_sources
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import InputError, UsageError
from radseek.retrieval.imaging.isolated_scan import scan_apart
from radseek.retrieval.imaging.scan import FileHeader, content_hash, group_key
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Scope
from radseek.retrieval.path_text import found_path, shown_path
from radseek.retrieval.privacy.pseudonyms import key_of_target
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.search.search_results import SimilarResult
from radseek.retrieval.study_targets import refuse_stated
from radseek.retrieval.targets import stored_studies
from radseek.retrieval.types import Skipped

__all__ = ["only_study", "refuse_nothing", "refuse_second", "studies_of"]


def studies_of(
    engine: Engine,
    target: str,
    stated: StatedKind,
    workers: int | None,
    skipped: list[Skipped],
    notes: list[str],
    done: Collection[str] = frozenset(),
    scope: Scope | None = None,
) -> Iterator[StudyVectors | str]:
    """Yield a target's studies but those in `done`, read in workers under a limit; of an index those in scope.

    `stated`: what they are of where their files do not say; at the end `notes` gets what there is to say of that.
    Raises `UsageError` where it is stated of studies of an index.
    """
    refuse_stated(target, stated)
    if key_of_target(target) is not None:
        yield target
    elif is_index(Path(target)) and engine.store is not None:
        yield from (study for study in stored_studies(engine.store, scope=scope) if study.key not in done)
    else:
        sources = [Path(target)]
        yield from embed_sources(
            sources, engine.encoder, skip=skipped.extend, stated=stated, note=notes.append, workers=workers, done=done
        )


def only_study(
    engine: Engine, target: str, stated: StatedKind, skipped: list[Skipped], notes: list[str], *, json: bool
) -> StudyVectors | str:
    """Return the one study at a target; the rest is as for `studies_of`.

    Raises `UsageError` where there are several, `InputError` for none.
    """
    if is_index(Path(target)) and engine.store is not None:
        _refuse_several(engine.store.passing(Scope()), target)
    studies = list(studies_of(engine, target, stated, None, skipped, notes))
    if json and skipped and not studies:
        print_json(SimilarResult(engine.encoder.spec, {"path": target}, ()).to_dict())
    refuse_nothing(bool(studies), skipped, target)
    return studies[0]


def refuse_nothing(answered: bool, skipped: Sequence[Skipped], target: str) -> None:
    """Raise `UsageError` where a target held nothing, `InputError` where nothing in it could be used."""
    if answered:
        return
    if not skipped:
        raise UsageError(f"{target} holds no study; give DICOM, NIfTI, PNG or JPEG files.")
    first = skipped[0]
    message = f"none of {len(skipped)} inputs can be used; the first: {first.path}: {first.message}"
    raise InputError(first.reason_code, message, path=first.path)


def _refuse_several(count: int, target: str) -> None:
    if count > 1:
        raise UsageError(f"{target} holds {count} studies and similar asks about one; name one of them.")


def refuse_second(target: str) -> None:
    """Raise `UsageError` as soon as the headers under a path are of a second study; no pixel is read."""
    if key_of_target(target) is not None or is_index(Path(target)):
        return
    first: dict[str, str] = {}
    for found in scan_apart(found_path(target)):
        if isinstance(found, FileHeader):
            study = group_key(found) if found.study_uid or found.series_uid else content_hash([found.path])
            first.setdefault(study, found.path)
        if len(first) > 1:
            raise UsageError(f"{target} holds several studies and similar asks about one; {_one_of(*first.values())}.")


def _one_of(one: str, other: str) -> str:
    """Return how one of two studies is named, of each of which a file is given."""
    folders = [shown_path(str(Path(path).parent)) for path in (one, other)]
    if folders[0] != folders[1]:
        return f"name one of them, such as {folders[0]} or {folders[1]}"
    return (
        f"they lie in one folder, so name the file where one is a study ({shown_path(one)}), or build an index of them "
        "and give a study's key, which `radseek screen INDEX --format csv` lists"
    )
