"""What a table may call the studies of an index: keys, UIDs, accession numbers, paths, names of files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, pages
from radseek.retrieval.path_text import shown_path
from radseek.retrieval.privacy.pseudonyms import keyed_hash, load_key

__all__ = ["StudyNames"]

# Endings that a table may write or leave out. Others stay: the last number of a UID is no ending.
_ENDINGS: Final = (
    ".nii.gz", ".nii", ".hdr", ".img", ".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp",
    ".npz", ".npy", ".pt", ".zip",
)  # fmt: skip


class StudyNames:
    """The names of an index's studies.

    By a study's key, `shown` is what a person knows it by and `patients` its patient's pseudonym, "" where unknown.
    `key`: the user's, where there is one and the index was built with it. `are_linked`: whether every study has its
    row in the linkage file.
    """

    def __init__(self, store: LocalStore) -> None:
        """Read the names of every study; without a linkage file there are keys, and UIDs through the user's key."""
        self.key = _own_key(store)
        self._exact: dict[str, set[str]] = {}
        self._ends: dict[str, set[tuple[str, str]]] = {}  # by the last part of a path: whole path, key
        self.shown: dict[str, str] = {}
        self.patients: dict[str, str] = {}
        self.are_linked = True
        for case in pages(store):
            self.shown[case.key] = case.path or case.key
            self.patients[case.key] = case.patient_key
            self._exact.setdefault(case.key, set()).add(case.key)
            self._add_linked(store, case)

    def find(self, name: str, folder: Path) -> set[str]:
        """Return the keys of the studies that a table in `folder` means by `name`: one, none or several.

        The whole name counts first, then as a path below the folder or one above it, then as the end of a path, with
        or without the file's ending.
        """
        for plain in dict.fromkeys((_tidy(name), _tidy(name.replace("\\", "/")))):
            found = self._exact.get(plain) or self._below(plain, folder) or self._ending(plain) or self._hashed(plain)
            if found:
                return found
        return set()

    def _below(self, plain: str, folder: Path) -> set[str]:
        places = (os.path.normpath(above / plain) for above in (folder, *folder.parents))
        return next((self._exact[place] for place in places if place in self._exact), set())

    def _ending(self, plain: str) -> set[str]:
        found = [(path, key) for path, key in self._ends.get(_stem(plain), ()) if _ends_with(path, plain)]
        same = {key for path, key in found if path.endswith(plain)}
        return same or {key for _, key in found}

    def _add_linked(self, store: LocalStore, case: Case) -> None:
        link = store.linkage_of(case.key)
        if link is None:
            self.are_linked = False
            return
        for name in filter(None, (link.study_uid.strip(), link.accession.strip())):
            self._exact.setdefault(name, set()).add(case.key)
        for path in _paths(case.path or "", link.paths, is_dicom=bool(link.study_uid)):
            self._exact.setdefault(path, set()).add(case.key)
            self._ends.setdefault(_stem(path), set()).add((path, case.key))

    def _hashed(self, name: str) -> set[str]:
        key = keyed_hash(self.key, "study", name) if self.key is not None else ""
        return {key} if key in self.shown else set()


def _own_key(store: LocalStore) -> bytes | None:
    """Return the user's key where there is one and the index was built with it, else None."""
    try:
        key = load_key(make=False)
        store.require_key(key)
    except UsageError:
        return None
    return key


def _paths(shown: str, linked: tuple[str, ...], *, is_dicom: bool) -> Iterator[str]:
    """Yield the ways in which paths of a study are written; of many DICOM files also the folder they lie in."""
    real = [str(Path(path).resolve()) for path in linked]
    folder = [os.path.commonpath([str(Path(path).parent) for path in real])] if is_dicom and real else []
    for path in dict.fromkeys((shown, *linked, *real, *folder)):
        if path:
            yield _tidy(shown_path(path))


def _tidy(name: str) -> str:
    """Return a name as paths are compared: without spaces around it, a slash at the end, or `.` parts.

    >>> _tidy("./train/p1/a.png"), _tidy(" a//b/")
    ('train/p1/a.png', 'a/b')
    """
    text = name.strip()
    return str(PurePosixPath(text)) if "/" in text else text


def _stem(path: str) -> str:
    last = path.rpartition("/")[2]
    lower = last.lower()
    return next((last[: -len(ending)] for ending in _ENDINGS if lower.endswith(ending) and lower != ending), last)


def _ends_with(path: str, name: str) -> bool:
    """Say whether a path ends with all parts of a name, the last one with or without its ending."""
    parts, wanted = path.split("/"), name.split("/")
    return parts[-len(wanted) : -1] == wanted[:-1] and len(parts) >= len(wanted)
