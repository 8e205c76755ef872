"""Merge finished shards into one index: one committer, in key order, as one build would have written it."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from radseek.index_builder.build import BuildReport, Commits, Progress, commit_all
from radseek.index_builder.choice import Change, OnDuplicate
from radseek.index_builder.shards.finished_shard import FinishedShard, read_finished, shard_index
from radseek.index_builder.shards.shard import Shard
from radseek.index_builder.shards.stored_records import stored_records
from radseek.retrieval.encoders.spec import EncoderSpec, check_match
from radseek.retrieval.errors import EncoderMismatchError, Reason, UsageError
from radseek.retrieval.index.catalog.where import OWN
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Case, StudyRecord
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.types import Skipped

__all__ = ["merge_shards"]


def merge_shards(
    index: str | Path,
    shards: Iterable[str | Path],
    *,
    on_duplicate: OnDuplicate = "skip",
    readmit: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Add the studies of all shards of one build to an index, made if it is not there; the shards stay as they are.

    Every shard's files are hashed before any is read. Cut short, it is finished by running it again.

    Args:
        index: the index folder.
        shards: the folders of all shards, in any order.
        on_duplicate: a study that is there with other files, pixels or report: "skip", "replace" or "error".
        readmit: take in again what was forgotten.
        progress: called as `progress("merge", done, None)`.

    Returns:
        What was done, and every input that a shard could not use, once.

    Raises:
        UsageError: a shard is lacking, given twice, not finished, or of another key.
        EncoderMismatchError: shards were built with different encoders, or the index with another than they.
        IndexDamagedError: a shard is not what was written.
        IndexBusyError: another process writes the index.
    """
    started = time.monotonic()
    finished = _all_of_one_build([Path(one) for one in shards])
    path, key = Path(index), load_key(make=False)
    with ExitStack() as stack:
        opened = [stack.enter_context(LocalStore.open(shard_index(one.folder))) for one in finished]
        for store in opened:
            store.require_key(key)
        spec = opened[0].spec
        target = stack.enter_context(_open_target(path, spec, key))
        report = BuildReport(str(path), target.spec.to_dict(), generation=target.generation)
        report.files = max(int(one.report["files"]) for one in finished)
        report.notes = list(dict.fromkeys(note for one in finished for note in one.report["notes"]))
        report.skipped = list(dict.fromkeys(line for one in finished for line in one.skipped))
        for name in ("reports_unmatched", "metadata_unmatched"):
            setattr(report, name, max(int(one.report[name]) for one in finished))
        records = heapq.merge(*map(stored_records, opened), key=lambda record: record.key)
        taking = _Taking(target, on_duplicate, report, readmit=readmit)
        commit_all(taking.chosen(_pooled(target, spec, records)), Commits(target, report, _renamed(progress)))
        target.check_written()
        keep_closeness(target)
        target.keep_codes()
        report.generation = target.generation
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _all_of_one_build(folders: Sequence[Path]) -> list[FinishedShard]:
    """Return the shards by number. Raises unless they are all there, once, finished, and of one encoder."""
    if not folders:
        raise UsageError("no shard given; name the folders of all shards, as in INDEX.shards/*")
    found: dict[Shard, FinishedShard] = {}
    for folder in folders:
        one = read_finished(folder)
        if one is None:
            raise UsageError(f"The shard in {folder} is not finished: run its `radseek build` again, then merge.")
        if one.shard in found:
            raise UsageError(f"{folder} and {found[one.shard].folder} are both shard {one.shard}; give one of them.")
        found[one.shard] = one
    first, *others = found.values()
    if any(one.shard.count != first.shard.count for one in others):
        counts = ", ".join(sorted({f"{one.shard.count}" for one in found.values()}))
        raise UsageError(f"The shards are of builds in several numbers of shards ({counts}); give those of one build.")
    lacking = [n for n in range(1, first.shard.count + 1) if Shard(first.shard.count, n) not in found]
    if lacking:
        raise UsageError(
            f"{len(lacking)} of {first.shard.count} shards are lacking, first {lacking[0]}/{first.shard.count}: "
            "build them with --shard, or name their folders too."
        )
    for one in others:
        if one.encoder != first.encoder:
            raise EncoderMismatchError(
                f"{one.folder} was built with another encoder than {first.folder}, so their vectors cannot be in one "
                "index; delete it and build that shard again with the same --model."
            )
    return [found[shard] for shard in sorted(found)]


def _open_target(path: Path, spec: EncoderSpec, key: bytes) -> LocalStore:
    if not is_index(path):
        return LocalStore.create(path, spec, key)
    store = LocalStore.open(path, read_only=False)
    try:
        store.require_key(key)
        if check_match(store.spec, spec) and store.own_pool() is None:
            raise EncoderMismatchError(
                f"{path} pools slices otherwise than the shards; build them with --model {store.spec.name} as it was."
            )
    except BaseException:
        store.close()
        raise
    return store


def _pooled(target: LocalStore, spec: EncoderSpec, records: Iterator[StudyRecord]) -> Iterator[StudyRecord]:
    """Yield the records pooled as the index pools, where it has an adapter of its own."""
    pool = target.own_pool() if target.spec.pooling_hash != spec.pooling_hash else None
    for record in records:
        if pool is None:
            yield record
            continue
        series = tuple(
            replace(one, views=tuple(replace(v, pooled=pool(v.slices).astype(np.float16)) for v in one.views))
            for one in record.series
        )
        yield replace(record, series=series)


@dataclass(slots=True)
class _Taking:
    """Chooses which records an index takes, and notes in the report why not."""

    store: LocalStore
    on_duplicate: OnDuplicate
    report: BuildReport
    readmit: bool
    _asked: bool = field(init=False, default=False)

    def chosen(self, records: Iterable[StudyRecord]) -> Iterator[StudyRecord]:
        """Yield the records to commit. Raises `UsageError` for a duplicate where those are errors."""
        self._asked = self.store.upkeep.has_forgotten() and not self.readmit
        for record in records:
            if self._asked and self.store.upkeep.forgotten({record.key, record.patient_key} - {""}):
                self.report.forgotten += 1
            elif not self.store.contains([record.key]):
                yield record
            else:
                yield from self._again(record)

    def _again(self, record: StudyRecord) -> Iterator[StudyRecord]:
        """Yield a record of a study that is there already, where it is to take that one's place."""
        (stored,) = self.store.cases(studies=[record.key])
        what = _differs(stored, record)
        if self.store.linkage_of(record.key) is None:  # deleted: written again, so that the way back is there again
            yield self._with_report(stored, record)
        elif not what:
            self.report.already += 1
            self.store.upkeep.note_seen(record.key, record.linkage.seen)
        elif self.on_duplicate == "replace":
            self.report.changed.append(Change(record.source_path, what))
            yield self._with_report(stored, record)
        else:
            message = (
                f"this study is in the index with {' and '.join(what)}; "
                "--on-duplicate replace takes what is in the shards instead"
            )
            if self.on_duplicate == "error":
                raise UsageError(f"{record.source_path}: {message}")
            self.report.skipped.append(Skipped(record.source_path, Reason.DUPLICATE, message))

    def _with_report(self, stored: Case, record: StudyRecord) -> StudyRecord:
        """Return a record with the report that the study has, where it brings none: new files do not take that away."""
        if record.report or not stored.report:
            return record
        vectors = self.store.sentence_vectors(stored.key) if stored.sentences else None
        return replace(record, report=stored.report, sentences=stored.sentences, sentence_vectors=vectors)


def _differs(stored: Case, record: StudyRecord) -> tuple[str, ...]:
    """Return in what a record is other than the stored study; what is not given is no difference."""
    one, other = stored.attributes, record.attributes
    own = {name for name in {*one, *other} if name.startswith(OWN)}
    said = (
        ("other files", one.get("stamp") != other.get("stamp")),
        ("other pixels under the same UIDs", "pixels" in other and one.get("pixels") != other["pixels"]),
        ("another report", bool(record.report) and record.report != stored.report),
        ("other metadata", any(n.startswith(OWN) for n in other) and any(one.get(n) != other.get(n) for n in own)),
    )
    return tuple(what for what, is_other in said if is_other)


def _renamed(progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda _, done, total: progress("merge", done, total)
