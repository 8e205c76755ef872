"""Build an index: find studies, turn each into a record, commit segment after segment.

    sources -> discover -> study_records -> LocalStore.add

Every stage hands on one study at a time, so memory does not grow with the archive. What has been committed stays:
an interrupted build is finished by running it again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.choice import Change, Choosing, OnDuplicate
from radseek.index_builder.discover import FoundStudy, discover, relative_to
from radseek.index_builder.kind_notes import KindNotes
from radseek.index_builder.metadata.metadata_file import load_metadata, unmatched_metadata
from radseek.index_builder.name_match import match_tables
from radseek.index_builder.pipeline import study_records
from radseek.index_builder.reports.report_join import Named, load_reports, unmatched_reports
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.language.report_language import unread_sentences
from radseek.retrieval.path_text import found_path, printable
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.types import Skipped

__all__ = [
    "SEGMENT_STUDIES",
    "BuildReport",
    "Commits",
    "Progress",
    "Tables",
    "build_index",
    "commit_all",
    "gather",
    "open_or_create",
]

SEGMENT_STUDIES = 32  # studies a commit; what an interruption can cost
Progress = Callable[[str, int, int | None], None]  # stage, done, total (None while unknown)


@dataclass(slots=True)
class BuildReport:
    """What a build did. `skipped` names every input that was not used; `already` counts finished studies, `forgotten`
    those that stay out because they, or their patients, were forgotten; `changed` says of each study that was replaced
    what was other; `notes` are sentences about what was guessed or mended in files of reports and metadata, and about
    a linkage file that was not there; `unread_sentences` counts the report sentences in languages that no rules read.
    """

    index: str
    encoder: dict[str, Any]
    sources: tuple[Path, ...] = ()
    generation: int = 0
    files: int = 0
    studies: int = 0
    already: int = 0
    forgotten: int = 0
    series: int = 0
    slices: int = 0
    sentences: int = 0
    unread_sentences: dict[str, int] = field(default_factory=dict)
    reports_unmatched: int = 0
    metadata_unmatched: int = 0
    changed: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `radseek build --json` prints."""
        document = {name: getattr(self, name) for name in self.__slots__ if name != "sources"}
        document["changed"] = [{"path": one.path, "what": list(one.what)} for one in self.changed]
        document["skipped"] = [
            {"path": s.path, "reason_code": s.reason_code.value, "message": s.message} for s in self.skipped
        ]
        return document

    def skip(self, lines: Iterable[Skipped]) -> None:
        """Add `lines`, inputs that were not used, their paths relative to the source they were found under."""
        for line in lines:
            path, message = relative_to(line.path, self.sources), printable(line.message)
            self.skipped.append(replace(line, path=path, message=message))


@dataclass(frozen=True, slots=True)
class Tables:
    """A user's files of reports and of metadata, and the headings in them that are unusual."""

    reports: str | Path | None = None
    metadata: str | Path | None = None
    study_column: str | None = None
    report_column: str | None = None


def build_index(
    sources: Iterable[str | Path] | str | Path,
    index: str | Path,
    *,
    model: str = "builtin",
    encoder: Encoder | None = None,
    modality: str | None = None,
    body_part: str | None = None,
    reports: str | Path | None = None,
    metadata: str | Path | None = None,
    study_column: str | None = None,
    report_column: str | None = None,
    workers: int | None = None,
    on_duplicate: OnDuplicate = "skip",
    readmit: bool = False,
    only: Callable[[FoundStudy], bool] | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Add every study under `sources` to the index folder, made if it is not there.

    A study already there with the same files, pixels, report and metadata is passed over, and files of the same sizes
    and times are not read again. Bad input never raises: it is in the report's `skipped`.

    Args:
        sources: files and folders, or one.
        index: the index folder.
        model: the encoder's name or folder, as for `load_encoder`.
        encoder: an encoder that is loaded already, in place of `model`.
        modality: what NIfTI files and pictures are (they name none), and DICOM whose own is not that of its class.
        body_part: what is seen in series of which no file says it.
        reports: a CSV, JSONL or Parquet file.
        metadata: another, of any columns: they become filters (`where`), modality and body part go before these two.
        study_column: the heading of both files that names studies, where it does not tell.
        report_column: the heading of `reports` that holds the text, where it does not tell.
        workers: how many processes read; None is what suits the machine.
        on_duplicate: a study that is there with other files is skipped with a line in the report ("skip"), raises
            ("error"), or is replaced ("replace").
        readmit: take in again what was forgotten, which else stays out and is counted.
        only: says of a study that was found whether it is to be added now.
        progress: called as `progress(stage, done, total)`, total None while it is not known.

    Returns:
        What was done, and every input that was not used.

    Raises:
        UnknownNameError: no such modality or body part.
        UsageError: a source is missing, no row of a table names a study found, or the index was built with another
            key (`RADSEEK_KEY`).
        EncoderMismatchError: it was built with another encoder.
        IndexBusyError: another process writes.
        StorageError: a disk is full or may not be written; what was committed before stays.
        IndexDamagedError: what was written, read once more at the end, is not what was meant.
    """
    started = time.monotonic()
    paths = [found_path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    if not paths:
        raise UsageError("no source given; name at least one file or folder")
    stated = stated_kind(modality, body_part)
    encoder = encoder or load_encoder(model)
    key = load_key(make=not is_index(Path(index)))
    unlinked = is_index(Path(index)) and not linkage_path(Path(index)).exists()
    with scratch_database() as database, open_or_create(Path(index), encoder, key) as store:
        encoder = store.with_own_pooling(encoder)
        report = BuildReport(str(index), encoder.spec.to_dict(), tuple(paths), store.generation)
        before = store.counts()["studies"] if unlinked else 0
        bad_rows = gather(
            paths, Tables(reports, metadata, study_column, report_column), database, key, report, progress
        )
        kinds = KindNotes(stated, encoder)
        choosing = Choosing(store, database, key, on_duplicate, readmit)
        records = study_records(
            (found for found in choosing.wanted() if only is None or only(found)),
            encoder=encoder,
            key=key,
            skip=report.skip,
            report=choosing.report_of,
            metadata=choosing.metadata_of,
            keep=choosing.keep,
            notes=kinds,
            workers=workers,
        )
        commit_all(records, Commits(store, report, progress))
        store.check_written()  # opening checks sizes and headers alone
        keep_closeness(store)
        store.keep_codes()
        if before:
            report.notes.append(_linkage_lost(linkage_path(store.path), store, before))
        report.notes = [*kinds.sentences(), *report.notes]  # the last lines printed are of the tables that came in
        report.skip(bad_rows)
        report.skip(choosing.refused)
        report.already, report.forgotten = choosing.already, choosing.forgotten
        report.changed = choosing.changed
        report.reports_unmatched = unmatched_reports(database)
        report.metadata_unmatched = unmatched_metadata(database)
        report.generation = store.generation
    report.seconds = round(time.monotonic() - started, 3)
    return report


def open_or_create(index: Path, encoder: Encoder, key: bytes) -> LocalStore:
    """Return an index open for writing, made where it is not there, pooled as `encoder` pools. Raises as opening does,
    and where it was built with another key or encoder.
    """
    if not is_index(index):
        return LocalStore.create(index, encoder.spec, key)
    store = LocalStore.open(index, read_only=False)
    try:
        store.require_key(key)
        pooled = store.with_own_pooling(encoder)
        if check_match(store.spec, pooled.spec):
            store.repool(pooled)
    except BaseException:
        store.close()
        raise
    return store


def gather(
    paths: Sequence[Path],
    tables: Tables,
    database: sqlite3.Connection,
    key: bytes,
    report: BuildReport,
    progress: Progress | None,
) -> list[Skipped]:
    """Fill the scratch database with the files found and the rows of the tables; return the rows that cannot be used.

    Raises `UsageError` for a source that is missing, and where no row of a table names a study found.
    """
    bad_rows: list[Skipped] = []
    found = {
        name: None if one is None else found_path(one)
        for name, one in (("reports", tables.reports), ("metadata", tables.metadata))
    }
    if found["reports"] is not None:
        named = Named(tables.study_column, tables.report_column)
        load_reports(found["reports"], database, named=named, skip=bad_rows.append, note=report.notes.append)
    if found["metadata"] is not None:
        load_metadata(
            found["metadata"],
            database,
            study_column=tables.study_column,
            skip=bad_rows.append,
            note=report.notes.append,
        )
    _discover(paths, database, key, report, progress)
    match_tables(database, key, reports=found["reports"], metadata=found["metadata"], note=report.notes.append)
    return bad_rows


def _discover(
    paths: Sequence[Path], database: sqlite3.Connection, key: bytes, report: BuildReport, progress: Progress | None
) -> None:
    def count(files: int) -> None:
        report.files = files
        if progress is not None:
            progress("find", files, None)

    report.skip(discover(paths, database, key, progress=count))


def _linkage_lost(path: Path, store: LocalStore, before: int) -> str:
    """Say that an index was found without its linkage file, and how its studies get their paths back."""
    lost = sum(store.linkage_of(case.key) is None for case in store.cases())
    said = f"{path} was not there: it is what gives back the paths and original identifiers of {before} studies."
    if not lost:
        return f"{said} All of them were found again and read anew, so it is whole again."
    return (
        f"{said} {lost} still have none, so their images cannot be shown and their paths cannot be given back. Restore "
        "that file from a copy; or run radseek build with the folders that they were built from, which reads them anew."
    )


def commit_all(records: Iterable[StudyRecord], commits: Commits) -> None:
    """Commit every record; whatever ends it early, finished studies are kept."""
    try:
        for record in records:
            commits.take(record)
    finally:
        commits.commit()


@dataclass(slots=True)
class Commits:
    """Records waiting for their segment, and the counts of what was committed."""

    store: LocalStore
    report: BuildReport
    progress: Progress | None
    waiting: list[StudyRecord] = field(default_factory=list)

    def take(self, record: StudyRecord) -> None:
        """Keep a record until a segment is full."""
        self.waiting.append(record)
        if len(self.waiting) >= SEGMENT_STUDIES:
            self.commit()

    def commit(self) -> None:
        """Write what is waiting as one segment."""
        # What cannot be committed is not tried again at the end: the disk that had no room has none then.
        records, self.waiting = self.waiting, []
        if not records:
            return
        self.store.add(records, replace_existing=True)
        for record in records:
            self.report.studies += 1
            self.report.series += len(record.series)
            self.report.slices += sum(len(view.slices) for series in record.series for view in series.views)
            self.report.sentences += len(record.sentences)
            for one, count in unread_sentences(record.sentences).items():
                self.report.unread_sentences[one] = self.report.unread_sentences.get(one, 0) + count
        if self.progress is not None:
            self.progress("build", self.report.studies, None)
