"""The one path from files to vectors, for building and for answering: read in workers, encode across series.

found studies -> supervised_map(read_prepared) -> encode_across -> study_record
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from radseek.index_builder.batches import encode_across
from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.discover import FoundStudy, discover, found_studies, relative_to
from radseek.index_builder.kind_notes import KindNotes
from radseek.index_builder.metadata.metadata_columns import StudyMetadata
from radseek.index_builder.prepare_study import PreparedStudy, PreparedView, ReadTask
from radseek.index_builder.reports.report_join import Report
from radseek.index_builder.study_records import GivenFacts, study_record
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind
from radseek.retrieval.imaging.views.volume_input import VolumeInput
from radseek.retrieval.imaging.zip_members import unpacking_folder
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.machine_memory import LEAST, usable_memory
from radseek.retrieval.path_text import found_path, printable
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.types import Skipped
from radseek.retrieval.workers import supervised_map

__all__ = ["embed_sources", "study_records"]

Skip = Callable[[Iterable[Skipped]], None]
Keep = Callable[[FoundStudy, PreparedStudy], bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """A study on its way through the encoder."""

    found: FoundStudy
    study: PreparedStudy

    @property
    def views(self) -> tuple[PreparedView | VolumeInput, ...]:
        return self.study.views


def study_records(
    wanted: Iterable[FoundStudy],
    *,
    encoder: Encoder,
    key: bytes,
    skip: Skip,
    report: Callable[[FoundStudy], Report | None] = lambda _: None,
    keep: Keep | None = None,
    metadata: Callable[[FoundStudy], StudyMetadata | None] = lambda _: None,
    notes: KindNotes,
    workers: int | None = None,
) -> Iterator[StudyRecord]:
    """Yield a record for every study that can be read, in the order given; `skip` is called with what cannot.

    `keep` sees each study once it is read, with a hash of its pixels, and says whether it goes on to be encoded.
    `report` and `metadata` give what a user's files say of a study; what metadata says of its kind goes before what
    is stated in `notes` of all; `notes` sees each study. Studies are read in `workers` processes under a memory and a
    time limit, so a bad one costs only itself.
    """

    def stated_of(found: FoundStudy) -> StatedKind:
        said = metadata(found)
        return notes.stated if said is None else replace(notes.stated, modality=said.modality or notes.stated.modality)

    def task(found: FoundStudy, scratch: Path) -> ReadTask:
        said = metadata(found)
        part = said.body_part if said is not None else ""
        return ReadTask(
            found.headers,
            stated_of(found),
            part,
            encoder.spec.preprocess,
            encoder.spec.recipe,
            scratch,
        )

    for item, vectors in encode_across(encoder, _read(wanted, task, workers or _default_workers(), skip, keep)):
        given = GivenFacts(report(item.found), metadata(item.found))
        record = study_record(item.found, item.study, vectors, given, encoder=encoder, key=key)
        notes.read(item.found.source_path, item.study, stated_of(item.found))
        notes.encoded(record)
        yield record


def embed_sources(
    sources: Iterable[Path],
    encoder: Encoder,
    *,
    skip: Skip,
    stated: StatedKind = UNSTATED,
    note: Callable[[str], None] = lambda _: None,
    workers: int | None = None,
    done: Collection[str] = frozenset(),
) -> Iterator[StudyVectors]:
    """Yield every study under some paths as vectors, exactly as an index of them would hold them.

    Studies whose keys are in `done` are not read. `stated`: what they are of where they do not say; at the end `note`
    is called with what there is to say of that. Raises `UsageError` for a path that does not exist.
    """
    paths, key = [found_path(source) for source in sources], load_key()

    def skip_relative(lines: Iterable[Skipped]) -> None:
        skip(Skipped(relative_to(line.path, paths), line.reason_code, printable(line.message)) for line in lines)

    with scratch_database() as database:
        skip_relative(discover(paths, database, key))
        wanted = (one for one in found_studies(database, key) if one.key not in done)
        notes = KindNotes(stated, encoder)
        for record in study_records(wanted, encoder=encoder, key=key, skip=skip_relative, notes=notes, workers=workers):
            series = tuple(SeriesVectors(s.key, s.modality, s.body_part, s.views) for s in record.series)
            yield StudyVectors(record.key, record.patient_key, record.source_path, series, record.attributes)
        for sentence in notes.sentences():
            note(sentence)


def _read(
    wanted: Iterable[FoundStudy],
    task: Callable[[FoundStudy, Path], ReadTask],
    workers: int,
    skip: Skip,
    keep: Keep | None,
) -> Iterator[_Read]:
    order: deque[FoundStudy] = deque()  # studies out with the workers: a handful

    with unpacking_folder() as scratch:

        def tasks() -> Iterator[ReadTask]:
            for found in wanted:
                order.append(found)
                yield task(found, scratch)

        for outcome in supervised_map("radseek.index_builder.prepare_study:read_prepared", tasks(), workers=workers):
            found = order.popleft()
            if outcome.error is not None:
                skip(_lines(found, outcome.error))
                continue
            if keep is None or keep(found, outcome.value):
                skip(outcome.value.study.skipped)
                yield _Read(found, outcome.value)


def _lines(found: FoundStudy, error: InputError) -> list[Skipped]:
    lines = error.lines or tuple((header.path, error.reason, str(error)) for header in found.headers)
    return [Skipped(path, Reason(reason), message) for path, reason, message in lines]


def _default_workers() -> int:
    return max(1, min(8, (os.cpu_count() or 2) - 1, usable_memory() // LEAST))
