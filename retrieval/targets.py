"""From what a user points at to studies, one at a time: a path, a Study, an index, or a study in an index."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from radseek.retrieval.errors import InputError, UnknownNameError
from radseek.retrieval.imaging.isolated_scan import scan_apart
from radseek.retrieval.imaging.scan import FileHeader, group_key, scan
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind
from radseek.retrieval.imaging.study_reader import read_files, read_files_apart
from radseek.retrieval.index.store import Scope, Store, pages
from radseek.retrieval.path_text import found_path, printable, shown_path
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.types import Skipped, Study

__all__ = ["relative_path", "stored_studies", "studies_under", "with_first_file"]


def stored_studies(store: Store, key: str | None = None, scope: Scope | None = None) -> Iterator[StudyVectors]:
    """Yield the studies of a store in scope as vectors, in key order and page by page; with a key, the one it names.

    Raises `UnknownNameError` where there is no such study.
    """
    cases = pages(store, scope) if key is None else iter(store.cases(studies=[key]))
    for case in cases:
        yield stored_study(store, case)
        if key is not None:
            return
    if key is not None:
        raise UnknownNameError(f"The index has no study {key}; `radseek screen INDEX` lists what it has.")


def studies_under(
    path: Path, stated: StatedKind = UNSTATED, *, isolated: bool = False
) -> Iterator[tuple[Study, str] | Skipped]:
    """Yield every study under a path, with its path relative to it; what cannot be used comes as `Skipped`.

    Headers of all files are held, pixels of one study at a time. `isolated` reads in worker processes. Raises
    `UsageError` where the path does not exist.
    """
    groups: dict[str, list[FileHeader]] = {}
    path = found_path(path)
    for found in scan_apart(path) if isolated else scan(path):
        if isinstance(found, Skipped):
            yield _relative_skipped(found, path)
        else:
            groups.setdefault(group_key(found), []).append(found)
    names = _names({key: [one.path for one in headers] for key, headers in groups.items()}, path)
    for key, headers in groups.items():
        try:
            study = (read_files_apart if isolated else read_files)(headers, stated)
        except InputError as error:
            shown = relative_path([error.path or headers[0].path], path)
            yield Skipped(shown, error.reason, printable(str(error)))
            continue
        for skipped in study.skipped:
            yield _relative_skipped(skipped, path)
        yield study, names[key]


def relative_path(paths: list[str] | tuple[str, ...], source: Path) -> str:
    """Return where files are, relative to the source given: the file, or the folder that holds them all.

    It is written as it can be printed and given back (`shown_path`).
    """
    common = os.path.commonpath(paths) if len(paths) > 1 else paths[0]
    root = source if source.is_dir() else source.parent
    shown = os.path.relpath(common or os.curdir, root)  # names alone, as of files that were sent, share no folder
    return shown_path((source.name or source.resolve().name) if shown == os.curdir else shown)


def with_first_file(name: str, first: str) -> str:
    """Return the name of a study that lies in one folder with others: the folder's, and its first file's in it.

    >>> with_first_file("scans/today", "IM0001.dcm")
    'scans/today#IM0001.dcm'
    """
    return f"{name}#{first}"


def _names(studies: Mapping[str, list[str]], source: Path) -> dict[str, str]:
    """Return what studies are called, each by its files: relative to the source, and never two alike."""
    names = {key: relative_path(paths, source) for key, paths in studies.items()}
    shared = {name for name, count in Counter(names.values()).items() if count > 1}
    for key, name in names.items():
        if name in shared:
            first = min(studies[key])
            folder = os.path.commonpath(studies[key]) if len(studies[key]) > 1 else os.path.dirname(first)
            names[key] = with_first_file(name, shown_path(os.path.relpath(first, folder)))
    return names


def _relative_skipped(skipped: Skipped, source: Path) -> Skipped:
    if not os.path.isabs(skipped.path) and not Path(skipped.path).exists():
        return replace(skipped, path=shown_path(skipped.path), message=printable(skipped.message))
    return replace(skipped, path=relative_path([skipped.path], source), message=printable(skipped.message))
