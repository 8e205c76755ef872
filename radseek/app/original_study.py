"""The way back from a study's key to what it is called where it came from, where the linkage file is there."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore

__all__ = ["OriginalStudy", "day_of", "original_study"]

_DAY = re.compile(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})")


@dataclass(frozen=True, slots=True)
class OriginalStudy:
    """What a study is called outside: None for what its files do not say. `date` is YYYY-MM-DD; `paths`: its files."""

    study: str
    study_uid: str | None
    accession: str | None
    date: str | None
    path: str | None
    paths: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {**asdict(self), "paths": list(self.paths)}


def original_study(store: LocalStore, key: str) -> OriginalStudy:
    """Return what a stored study is called outside.

    Raises `UnknownNameError` for a study that is not there, `UsageError` where the index has no linkage file.
    """
    cases = store.cases(studies=[key])
    if not cases:
        raise UnknownNameError(f"The index has no study {key}; `radseek screen INDEX` lists what it has.")
    link = store.linkage_of(key)
    if link is None:
        raise UsageError(
            f"{linkage_path(store.path).name} is not there, or has no row of this study, so its key leads nowhere; "
            "restore that file from a copy, or build the study again."
        )
    date = day_of(link.date) or None
    return OriginalStudy(key, link.study_uid or None, link.accession or None, date, cases[0].path, link.paths)


def day_of(written: str) -> str:
    """Return a date as files write it as YYYY-MM-DD, "" where it is none.

    >>> day_of("20260413")
    '2026-04-13'
    """
    day = _DAY.fullmatch(written.strip())
    return "-".join(day.groups()) if day else ""
