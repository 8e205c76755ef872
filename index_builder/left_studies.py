"""Which stored studies have left the folders that they were built from, and whether that may be a disk that is away.

A study has left where none of its files is where it was, or another study's images lie there now. What lies under
other folders is not looked at. A disk that is not mounted looks the same, so that what is to be forgotten is first
held against how much of a folder it is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.discover import discover, found_studies
from radseek.index_builder.name_match import three_of
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.zip_members import split_member
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.upkeep import is_there

__all__ = ["LeftStudy", "left_studies", "require_few_left", "require_no_empty_folder"]

_SHARE: Final = 0.1  # of a source's studies that may leave at once without being asked for


@dataclass(frozen=True, slots=True)
class LeftStudy:
    """A study that left: its key, its path as answers show it, its files, and whether others lie in their place."""

    key: str
    path: str
    files: tuple[str, ...]
    is_replaced: bool = False


def left_studies(store: LocalStore, sources: Iterable[Path], key: bytes) -> tuple[list[LeftStudy], dict[Path, int]]:
    """Return the studies that left, and how many the index has under each source. `key`: the index's own.

    Without a linkage file nothing is known to have left. Raises as looking at a file does.
    """
    roots = list(sources)
    known = [one for one in store.upkeep.files() if one[2]]
    there = store.contains([one[0] for one in known])
    counts, claims = Counter[Path](), Counter(path for one in known for path in one[2])
    found, in_doubt = [], []
    for study, shown, files in known:
        at = [root for root in roots if all(_is_under(path, root) for path in files)]
        if study not in there or not at:
            continue
        counts.update(at[:1])
        one = LeftStudy(study, shown, files)
        present = [path for path in files if is_there(path)]
        if not present:
            found.append(one)
        elif all(claims[path] > 1 for path in present):
            in_doubt.append(one)
    return found + _replaced(in_doubt, key), dict(counts)


def require_few_left(left: Sequence[LeftStudy], counts: Mapping[Path, int], most: int | None) -> None:
    """Raise `UsageError` where so many studies left a source that its disk may be away.

    All of a source's are never let through, and of more than a tenth no more than `most`.
    """
    require_no_empty_folder(one.files for one in left if not one.is_replaced)
    for source, count in counts.items():
        gone = [one for one in left if not one.is_replaced and all(_is_under(path, source) for path in one.files)]
        if not gone:
            continue
        if len(gone) == count:
            raise UsageError(
                f"All {count} studies of {source} are gone, as where a disk is not mounted or an archive was moved; "
                "nothing was forgotten. `radseek relink` says where they are now, `radseek forget` names studies."
            )
        if len(gone) > (max(1, int(_SHARE * count)) if most is None else most):
            some = three_of([one.path for one in gone], len(gone))
            raise UsageError(
                f"{len(gone)} of {count} studies of {source} are gone ({some}), more than one in ten, as where a disk "
                f"is not mounted; nothing was forgotten. If it is meant, give --at-most {len(gone)}."
            )


def require_no_empty_folder(gone: Iterable[Iterable[str]]) -> None:
    """Raise `UsageError` where the files of several studies that are gone lay in one folder that is there, and empty.

    `gone`: the files of each study.
    """
    nearest = Counter(folder for files in gone for folder in {_nearest_folder(path) for path in files})
    for folder, count in nearest.items():
        if count > 1 and folder is not None and not any(folder.iterdir()):
            raise UsageError(
                f"{folder} is empty and held {count} studies, as where a disk is not mounted; nothing was removed. "
                "If it is meant, delete that folder too."
            )


def _replaced(in_doubt: Sequence[LeftStudy], key: bytes) -> list[LeftStudy]:
    """Return the studies in whose files' place others lie: of files that several studies name, each is looked at."""
    paths = sorted({path for one in in_doubt for path in one.files if is_there(path)})
    if not paths:
        return []
    with scratch_database() as database:
        list(discover(map(Path, paths), database, key))
        holder = {
            path: study.key
            for study in found_studies(database, key)
            for path in (*(header.path for header in study.headers), *study.copies)
        }
    stored = {one.key for one in in_doubt}
    return [
        LeftStudy(one.key, one.path, one.files, is_replaced=True)
        for one in in_doubt
        if all(not is_there(path) or holder.get(path, one.key) in stored - {one.key} for path in one.files)
    ]


def _nearest_folder(path: str) -> Path | None:
    """Return the deepest folder above a file that is there."""
    return next((folder for folder in Path(_outermost(path)).parents if folder.is_dir()), None)


def _is_under(path: str, source: Path) -> bool:
    """Say whether a file, or the archive it is a member of, is a source or lies under it, by either of their names."""
    file = _outermost(path)
    roots = (os.path.abspath(source), os.path.realpath(source))
    return any(Path(name).is_relative_to(root) for name in (file, os.path.realpath(file)) for root in roots)


def _outermost(path: str) -> str:
    inside = split_member(Path(path))
    return path if inside is None else str(inside[0])
