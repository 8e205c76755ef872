"""Give the studies of an index reports, other ones, or match them by another column: no image is read or encoded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.labels.study_names import StudyNames
from radseek.index_builder.name_match import three_of
from radseek.index_builder.reports.report_join import Named, Report, find_report, load_reports
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.encoders.text_tower import sentence_rows
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, Linkage, SeriesRecord, StudyRecord, pages
from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import load_key, patient_key
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.types import Skipped

__all__ = ["ReportsUpdate", "update_reports"]

_COMMIT = 32  # studies a commit
_NAMED = 3  # names of each side that are told


@dataclass(slots=True)
class ReportsUpdate:
    """What became of a file of reports at an index.

    Of its `rows`, `unmatched` name no study and `ambiguous` name several, the first three of both in `unmatched_names`.
    Of the `studies` of the index, `added` had no report, `replaced` another one, `unchanged` this one; `without` have
    none now, the first three in `without_names`. `notes`: what was guessed; `skipped`: rows that could not be used.
    """

    index: str
    generation: int = 0
    rows: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    unmatched_names: list[str] = field(default_factory=list)
    studies: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    without: int = 0
    without_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `radseek reports --json` prints."""
        return {
            **asdict(self),
            "skipped": [{**asdict(one), "reason_code": str(one.reason_code)} for one in self.skipped],
        }


def update_reports(
    index: str | Path,
    reports: str | Path,
    *,
    study_column: str | None = None,
    report_column: str | None = None,
    encoder: Encoder | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> ReportsUpdate:
    """Give studies of an index the reports of a file, in place of those they have; a study without a row keeps its own.

    Args:
        index: the index folder.
        reports: a CSV, JSONL or Parquet file as for `build_index`; a study may also be named by its key.
        study_column: the heading that names studies, where it does not tell.
        report_column: the heading that holds the text, where it does not tell.
        encoder: one with the index's towers that is loaded already; None loads the one that built the index.
        progress: called as `progress("report", done, total)`.

    Returns:
        What was changed, and what found no partner.

    Raises:
        UsageError: no row names a study of the index, or it was built with another key (`RADSEEK_KEY`).
        EncoderMismatchError: the encoder has other towers.
        IndexBusyError: another process writes.
    """
    path = found_path(reports)
    found = ReportsUpdate(str(index))
    with LocalStore.open(index, read_only=False) as store, scratch_database() as database:
        key = load_key(make=False)
        store.require_key(key)
        named = Named(study_column, report_column)
        found.rows = load_reports(path, database, named=named, skip=found.skipped.append, note=found.notes.append)
        _match(database, StudyNames(store), path, found)
        wanted = _changed(database, store, found)
        if wanted:
            encoder = encoder or load_encoder(check_here(store.spec.name))
            check_match(store.spec, encoder.spec)
            for start in range(0, len(wanted), _COMMIT):
                some = wanted[start : start + _COMMIT]
                store.add([_record(store, one, database, encoder, key) for one in some], replace_existing=True)
                if progress is not None:
                    progress("report", start + len(some), len(wanted))
            store.check_written()
            keep_closeness(store)
            store.keep_codes()
        found.generation = store.generation
    return found


def _match(database: sqlite3.Connection, names: StudyNames, path: Path, found: ReportsUpdate) -> None:
    """Write each row's study into the column `located`, "" where none or several are meant. Raises `UsageError`."""
    rows = database.execute("SELECT study, count(*) FROM reports GROUP BY study ORDER BY min(rowid)").fetchall()
    for name, count in rows:
        keys = names.find(name, path.resolve().parent)
        (key,) = keys if len(keys) == 1 else ("",)
        if not key:
            found.unmatched += 0 if keys else count
            found.ambiguous += count if keys else 0
            found.unmatched_names += [name] if len(found.unmatched_names) < _NAMED else []
        database.execute("UPDATE reports SET study = '', located = ? WHERE study = ?", (key, name))
    if rows and found.unmatched + found.ambiguous == found.rows:
        shown = list(names.shown.values())
        there, are = three_of(found.unmatched_names, len(rows)), three_of(shown, len(shown))
        raise UsageError(
            f"None of {found.rows} rows of {path.name} names one study of {found.index}: it has {there}, and they are "
            f"{are}. A study is named by its StudyInstanceUID, its accession number, its path or its key; say which "
            "column names it with --study-column."
        )


def _changed(database: sqlite3.Connection, store: LocalStore, found: ReportsUpdate) -> list[str]:
    """Return the keys of the studies whose report is other than the stored one, and count all."""
    wanted: list[str] = []
    for case in pages(store):
        found.studies += 1
        report = find_report(database, [case.key])
        text = scrub(report.text) if report is not None else ""
        if text and text != (case.report or ""):
            wanted.append(case.key)
            found.added += not case.report
            found.replaced += bool(case.report)
        elif text:
            found.unchanged += 1
        elif not case.report:
            found.without += 1
            found.without_names += [case.path or case.key] if len(found.without_names) < _NAMED else []
    return wanted


def _record(store: LocalStore, key: str, database: sqlite3.Connection, encoder: Encoder, own: bytes) -> StudyRecord:
    """Return a stored study as it is, with another report."""
    (case,) = store.cases(studies=[key])
    report = find_report(database, [key]) or Report("", "")
    link = replace(store.linkage_of(key) or Linkage(), seen=store.upkeep.seen(key))
    if report.patient and not link.patient_id:
        link = replace(link, patient_id=report.patient)
    text = scrub(report.text)
    sentences = tuple(split_sentences(text))
    return StudyRecord(
        key=key,
        patient_key=case.patient_key or patient_key(link.patient_id, own),
        source_path=case.path or "",
        attributes=case.attributes,
        series=_series(store, case),
        report=text,
        sentences=sentences,
        sentence_vectors=sentence_rows(encoder, sentences),
        linkage=link,
    )


def _series(store: LocalStore, case: Case) -> tuple[SeriesRecord, ...]:
    views = store.slice_vectors(case.key)
    return tuple(
        SeriesRecord(
            **{name: getattr(one, name) for name in one.__slots__},
            views=tuple(view for view in views if view.series_key == one.key),
        )
        for one in case.series
    )
