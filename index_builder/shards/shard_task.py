"""A shard from studies that were found elsewhere: what one task of a cluster does, whoever runs it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.index_builder.build import BuildReport, Commits, commit_all, open_or_create
from radseek.index_builder.discover import FoundStudy
from radseek.index_builder.kind_notes import KindNotes
from radseek.index_builder.metadata.metadata_columns import StudyMetadata
from radseek.index_builder.pipeline import study_records
from radseek.index_builder.reports.report_join import Report
from radseek.index_builder.shards.finished_shard import clear_success, read_finished, shard_index, write_success
from radseek.index_builder.shards.shard import Shard
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import IndexBusyError
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore

__all__ = ["GivenStudy", "ShardTask", "encode_shard"]

_ASKED: Final = "_ASKED"  # what an unfinished shard is being made of
_PATIENCE: Final = 60.0  # seconds until a writer that was killed elsewhere must have let go
_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class GivenStudy:
    """A study that was found, and what the user's tables say of it."""

    found: FoundStudy
    report: Report | None
    metadata: StudyMetadata | None


@dataclass(frozen=True, slots=True)
class ShardTask:
    """What all shards of one build share: the key of its pseudonyms, what was stated, its sources, readers a task."""

    key: bytes
    stated: StatedKind
    sources: tuple[Path, ...]
    workers: int


def encode_shard(
    folder: Path, shard: Shard, asked: str, studies: Sequence[GivenStudy], task: ShardTask, encoder: Encoder
) -> int:
    """Write a shard, or pass it over where it is finished; return how many studies it holds.

    What an earlier try had committed of the same shard stays; of another one that has this name, nothing. Raises as
    building does, and `IndexBusyError` where another process writes the shard and does not end.
    """
    finished = read_finished(folder) if folder.is_dir() else None
    if finished is not None and finished.asked == asked:
        return int(finished.report["studies"] + finished.report["already"])
    _make(folder, asked)
    with _opened(shard_index(folder), encoder, task.key) as store:
        report = BuildReport(str(shard_index(folder)), encoder.spec.to_dict(), task.sources, store.generation)
        by_key = {one.found.key: one for one in studies}
        there = store.contains(by_key)
        kinds = KindNotes(task.stated, encoder)
        records = study_records(
            [one.found for one in studies if one.found.key not in there],
            encoder=encoder,
            key=task.key,
            skip=report.skip,
            report=lambda found: by_key[found.key].report,
            metadata=lambda found: by_key[found.key].metadata,
            keep=lambda _found, _read: True,  # all are new here; their pixels are hashed for the merge
            notes=kinds,
            workers=task.workers,
        )
        commit_all(records, Commits(store, report, None))
        store.check_written()
        keep_closeness(store)
        report.already, report.generation = len(there), store.generation
        report.notes += kinds.sentences()
    write_success(folder, shard, asked, report)
    return report.studies + report.already


def _make(folder: Path, asked: str) -> None:
    """Make the shard's folder, or leave of it what is of the same question."""
    file = folder / _ASKED
    with writing_to(folder):
        if folder.is_dir() and not (file.is_file() and file.read_text("utf8") == asked):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(asked, "utf8")
    clear_success(folder)


def _opened(index: Path, encoder: Encoder, key: bytes) -> LocalStore:
    """Open the shard's index for writing; a task that died on another machine may hold it for a moment yet."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_or_create(index, encoder, key)
        except IndexBusyError:
            if time.monotonic() > ends:
                raise
            time.sleep(_PAUSE)
