"""Which of the studies found a build reads and keeps: new ones, and those of other files, pixels, report or metadata.

`wanted` asks the index before a study is read, `keep` again when its pixels are known. The same sizes and times of
the same files are taken for the same content; otherwise the pixels decide.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from radseek.index_builder.discover import FoundStudy, found_studies
from radseek.index_builder.metadata.metadata_columns import StudyMetadata
from radseek.index_builder.metadata.metadata_file import find_metadata
from radseek.index_builder.prepare_study import PreparedStudy
from radseek.index_builder.reports.report_join import Report, find_report
from radseek.retrieval.errors import Reason, UsageError
from radseek.retrieval.index.catalog.where import OWN
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case
from radseek.retrieval.privacy.pseudonyms import keyed_hash, patient_key
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.types import Skipped

__all__ = ["Change", "Choosing", "OnDuplicate"]

OnDuplicate = Literal["skip", "error", "replace"]
_FILES, _PIXELS = "other files", "other pixels under the same UIDs"
_REPORT, _METADATA = "another report", "other metadata"


@dataclass(frozen=True, slots=True)
class Change:
    """A study that took the place of the stored one, and what was other than before."""

    path: str
    what: tuple[str, ...]


@dataclass(slots=True)
class Choosing:
    """Chooses for one build; `already`, `forgotten`, `changed` and `refused` say what was not simply taken."""

    store: LocalStore
    database: sqlite3.Connection
    key: bytes
    on_duplicate: OnDuplicate
    readmit: bool
    already: int = 0
    forgotten: int = 0
    changed: list[Change] = field(default_factory=list)
    refused: list[Skipped] = field(default_factory=list)
    _unread: dict[str, Case] = field(default_factory=dict)  # stored studies whose files are being read to be compared

    def wanted(self) -> Iterator[FoundStudy]:
        """Yield the studies to read. Raises `UsageError` for a duplicate where those are errors."""
        asked = self.store.upkeep.has_forgotten() and not self.readmit
        for found in found_studies(self.database, self.key):
            if asked and self._was_forgotten(found):
                self.forgotten += 1
                continue
            stored = self._stored(found)
            if stored is None:
                yield found
                continue
            what = self._differs(stored, found)
            if what:
                if self._takes(found, what):
                    yield found
            elif self.store.linkage_of(found.key) is None:  # deleted: read again, so that the way back is there again
                yield found
            elif self._looks_the_same(stored, found):
                self.already += 1
            else:
                self._unread[found.key] = stored
                yield found

    def keep(self, found: FoundStudy, read: PreparedStudy) -> bool:
        """Say whether a study that was read is encoded: a new one, or one with other pixels that is to be taken."""
        stored = self._unread.pop(found.key, None)
        if stored is None:
            return True
        if stored.attributes.get("pixels") == keyed_hash(self.key, "pixels", read.pixels):
            self.already += 1
            self.store.upkeep.note_seen(found.key, found.seen)
            return False
        return self._takes(found, (_PIXELS,))

    def report_of(self, found: FoundStudy) -> Report | None:
        """Return the report that a study is given, else the one it has: new files do not take that away."""
        given = find_report(self.database, found.names)
        stored = self._stored(found) if given is None else None
        return Report(text=stored.report, patient="") if stored is not None and stored.report else given

    def metadata_of(self, found: FoundStudy) -> StudyMetadata | None:
        """Return what the table of metadata says of a study, else the columns of its own that the study has."""
        given = find_metadata(self.database, found.names)
        stored = self._stored(found) if given is None else None
        own = {} if stored is None else {k: v for k, v in stored.attributes.items() if k.startswith(OWN)}
        return StudyMetadata("", "", "", own) if own else given

    def _stored(self, found: FoundStudy) -> Case | None:
        cases = self.store.cases(studies=[found.key]) if self.store.contains([found.key]) else []
        return cases[0] if cases else None

    def _was_forgotten(self, found: FoundStudy) -> bool:
        report = find_report(self.database, found.names)
        told = find_metadata(self.database, found.names)
        ids = {header.patient_id for header in found.headers} | {one.patient for one in (report, told) if one}
        return bool(self.store.upkeep.forgotten({found.key, *(patient_key(one, self.key) for one in ids if one)}))

    def _differs(self, stored: Case, found: FoundStudy) -> tuple[str, ...]:
        """Return what is known to be other without reading the files; what is not given is no difference."""
        report = find_report(self.database, found.names)
        other_files = stored.attributes.get("stamp") != found.stamp
        other_report = report is not None and scrub(report.text) != (stored.report or "")
        other_metadata = self._other_metadata(stored, found)
        said = ((_FILES, other_files), (_REPORT, other_report), (_METADATA, other_metadata))
        return tuple(what for what, is_other in said if is_other)

    def _other_metadata(self, stored: Case, found: FoundStudy) -> bool:
        """Say whether a table of metadata was given that says of a study what the stored one does not."""
        given = find_metadata(self.database, found.names)
        if given is None:
            return False
        own = {name for name in stored.attributes if name.startswith(OWN)}
        return any(stored.attributes.get(name) != given.attributes.get(name) for name in own | set(given.attributes))

    def _looks_the_same(self, stored: Case, found: FoundStudy) -> bool:
        if not found.seen or "pixels" not in stored.attributes:  # its stamp is of its content; or of before pixels were
            return True
        return self.store.upkeep.seen(found.key) == found.seen

    def _takes(self, found: FoundStudy, what: tuple[str, ...]) -> bool:
        """Say whether a study that is other than the stored one replaces it."""
        if self.on_duplicate == "replace":
            self.changed.append(Change(found.source_path, what))
            return True
        message = (
            f"this study is in the index with {' and '.join(what)}; --on-duplicate replace takes what is here instead"
        )
        if self.on_duplicate == "error":
            raise UsageError(f"{found.source_path}: {message}")
        self.refused.append(Skipped(found.source_path, Reason.DUPLICATE, message))
        return False
