"""What whoever keeps an index asks of it, beside the engine's questions: the forgotten, the originals, what is left."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.zip_members import split_member
from radseek.retrieval.index import forgetting, make_codes, verifying
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.kept_codes import ViewCodes, read_codes
from radseek.retrieval.privacy.pseudonyms import load_key

__all__ = ["Upkeep", "checked_key", "is_there"]


class Upkeep:
    """Of an open index; it goes with its store. What it changes needs an index that is open for writing."""

    def __init__(self, path: Path, catalog: Catalog, linkage: LinkageFile | None) -> None:
        self._path = path
        self._catalog = catalog
        self._linkage = linkage

    def traces(self, studies: Collection[str], patients: Collection[str], ids: Collection[str]) -> set[str]:
        """Return the keys of these studies, and of these patients' studies, of which anything is on disk.

        `studies` and `patients` are keys; `ids` are the patients' original ones.
        """
        return forgetting.traces(self._catalog, self._writable(), studies, patients, ids)

    def forgotten(self, keys: Collection[str]) -> set[str]:
        """Return which of these keys of studies and patients were forgotten."""
        return forgetting.known_forgotten(self._catalog, keys)

    def has_forgotten(self) -> bool:
        """Say whether anything was forgotten that would stay out of a build."""
        return self._catalog.format > 1 and bool(self._catalog.query("SELECT 1 FROM forgotten LIMIT 1"))

    def unfinished(self) -> bool:
        """Say whether removed studies are still on disk; `compact` deletes them."""
        return forgetting.unfinished(self._catalog)

    def undigested(self) -> int:
        """Return how many studies were written before studies had digests; `compact` gives them some."""
        return verifying.undigested(self._catalog)

    def relink(self, old: str, new: str) -> dict[str, tuple[str, ...]]:
        """Write the folder `new` for `old` in the linkage's paths; return the new paths of the studies changed.

        Raises `UsageError` where no path begins with `old`.
        """
        linkage = self._writable()
        found = linkage.relink(old, new)
        if not found:
            there = linkage.some_path()
            known = f"they are like {there}" if there else "it has no paths"
            raise UsageError(
                f"No path of {self._path} begins with {old} ({known}); give a folder that they begin with."
            )
        return found

    def gone(self) -> dict[str, str]:
        """Return the studies of which no file is where it was, by key: as answers show them. {} without linkage.

        Of a study that is whole one file is looked for, so a part that is missing is not seen.
        """
        return {key: shown for key, shown, paths in self.files() if paths and not any(map(is_there, paths))}

    def files(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield of each study in the linkage its key, its path as answers show it, and its files; none without it."""
        return iter(()) if self._linkage is None else self._linkage.files()

    def problems(self) -> list[str]:
        """Return what is wrong with the rows of catalogue and linkage; reads all of them."""
        linkage = [] if self._linkage is None else self._linkage.problems()
        return verifying.catalogue_problems(self._catalog) + linkage

    def seen(self, study: str) -> str:
        """Return a hash of the sizes and times that a study's files had when they were read, "" where unknown."""
        return "" if self._linkage is None else self._linkage.seen(study)

    def note_seen(self, study: str, seen: str) -> None:
        """Note that a study's files, of other sizes or times, were read again and hold the same."""
        self._writable().note_seen(study, seen)

    def codes(self) -> list[ViewCodes]:
        """Return what searching many views of a name begins with, or that it was tried in vain, by name.

        What is damaged, or of before the last compaction, is left out: answers do not use it.
        """
        try:
            listed = read_codes(self._path).values()
        except ValueError:
            return []
        compacted = int(self._catalog.setting("compacted"))
        return sorted((one for one in listed if one.compacted == compacted), key=lambda one: one.view)

    def uncoded(self) -> dict[str, int]:
        """Return the view names that have no codes though their number asks for some, with that number."""
        return make_codes.uncoded(self._path, self._catalog)

    def _writable(self) -> LinkageFile:
        if self._linkage is None:
            raise UsageError(f"{self._path} is open without its linkage file; open it with read_only=False.")
        return self._linkage


def is_there(path: str) -> bool:
    """Say whether a file, or the archive that it is a member of, is where it was."""
    inside = split_member(Path(path))
    return Path(path).exists() if inside is None else inside[0].exists()


def checked_key(store: object) -> bytes:
    """Return the user's key for a question; warn where the open index was built with another one."""
    key = load_key()
    require = getattr(store, "require_key", None)  # a store of another kind keeps no check
    try:
        if require is not None:
            require(key)
    except UsageError:
        warnings.warn(
            "The index was built with another key than this user's: a study and its patient cannot be told among the "
            "index's cases, so earlier ones of theirs are not left out. Set RADSEEK_KEY to that key.",
            stacklevel=3,
        )
    return key
