"""Build an index on a Ray cluster: a study a row, a shard a block and a task, merged by one committer.

    discover here -> ray.data, a block a shard -> a pool of actors, each with its encoder -> shards' folders -> merge

The machines must see the sources and the index's folder under the same paths. An actor reads as any build does, in
worker processes under a memory and a time limit, so that no file takes the actor with it. Ray starts the task of a
machine that dies again elsewhere; what it had committed of its shard is not done twice.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.index_builder.build import BuildReport, Progress, Tables, gather
from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.choice import Choosing, OnDuplicate
from radseek.index_builder.discover import FoundStudy, found_studies
from radseek.index_builder.metadata.metadata_file import find_metadata, unmatched_metadata
from radseek.index_builder.reports.report_join import find_report, unmatched_reports
from radseek.index_builder.shards.finished_shard import shard_folder
from radseek.index_builder.shards.shard import Shard
from radseek.index_builder.shards.shard_build import asked_of
from radseek.index_builder.shards.shard_merge import merge_shards
from radseek.index_builder.shards.shard_task import GivenStudy, ShardTask, encode_shard
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import EncoderSpec, check_match
from radseek.retrieval.errors import MissingExtraError, RadseekError, UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import load_key

__all__ = ["STUDIES_A_SHARD", "ShardEncoder", "build_with_ray"]

STUDIES_A_SHARD: Final = 16  # at least; a task is then a minute or more of a processor
_MOST_SHARDS: Final = 200  # the merge has all of them open at a time


def build_with_ray(
    sources: Sequence[str | Path],
    index: str | Path,
    *,
    model: str = "builtin",
    computing: Mapping[str, Any] | None = None,
    modality: str | None = None,
    body_part: str | None = None,
    tables: Tables | None = None,
    workers: int | None = None,
    on_duplicate: OnDuplicate = "skip",
    readmit: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Add every study under `sources` to the index, encoded by a Ray cluster: that of `RAY_ADDRESS`, or one made here.

    Cut short, it is finished by running it again: shards that are finished are passed over. What is skipped, replaced
    and reported is as for `build_index`.

    Args:
        sources: files and folders, under the same paths on every machine.
        index: the index folder, on a disk that every machine sees.
        model: the encoder's name or folder; each actor loads it.
        computing: `device`, `precision` and `batch_size` of `load_encoder`, those that are given.
        modality: as for `build_index`.
        body_part: as for `build_index`.
        tables: reports and metadata.
        workers: how many processes read for each actor; None is one.
        on_duplicate: as for `build_index`.
        readmit: as for `build_index`.
        progress: as for `build_index`.

    Returns:
        What was done, and every input that was not used.

    Raises:
        MissingExtraError: Ray is not installed.
        RadseekError: as `build_index` does, also where an actor met it.
    """
    started = time.monotonic()
    ray, path = _need_ray(), Path(index)
    paths = tuple(found_path(source).absolute() for source in sources)
    if not paths:
        raise UsageError("no source given; name at least one file or folder")
    task = ShardTask(load_key(make=not is_index(path)), stated_kind(modality, body_part), paths, workers or 1)
    encoder = load_encoder(model, **(computing or {}))
    report = BuildReport(str(path), encoder.spec.to_dict(), paths)
    with scratch_database() as database:
        bad_rows = gather(paths, tables or Tables(), database, task.key, report, progress)
        studies = list(_wanted(database, path, encoder, task.key, on_duplicate, report, readmit=readmit))
        report.skip(bad_rows)
        report.reports_unmatched, report.metadata_unmatched = unmatched_reports(database), unmatched_metadata(database)
    if studies:
        shards = list(_shards(studies, path.absolute(), encoder, task))
        actor = {"task": task, "model": model, "computing": dict(computing or {}), "spec": encoder.spec}
        with _cluster(ray):
            _encode_all(ray, shards, actor, encoder, progress)
        merged = merge_shards(
            path,
            [one.folder for one in shards],
            on_duplicate=on_duplicate,
            readmit=readmit,
            progress=progress,
        )
        _add_up(report, merged)
        for one in shards:  # they hold what the index holds, the way back to patients too
            shutil.rmtree(one.folder)
    report.seconds = round(time.monotonic() - started, 3)
    return report


class ShardEncoder:
    """An actor: one encoder, and the shards that Ray gives it one after the other, each as one batch of rows."""

    def __init__(self, task: ShardTask, model: str, computing: dict[str, Any], spec: EncoderSpec) -> None:
        self.task = task
        self.encoder = load_encoder(model, **computing)
        check_match(spec, self.encoder.spec)  # another machine may have another model of that name

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Write the shard of a batch; return its number of studies, or the error that ends the build."""
        rows = batch.to_pylist()
        studies = [pickle.loads(row["given"]) for row in rows]  # noqa: S301 - our own, from the driver
        first = rows[0]
        shard, folder = Shard(first["count"], first["number"]), Path(first["folder"])
        try:
            done = encode_shard(folder, shard, first["asked"], studies, self.task, self.encoder)
        except RadseekError as error:
            return {"studies": [0], "error": [pickle.dumps(error)]}
        return {"studies": [done], "error": [b""]}


@dataclass(frozen=True, slots=True)
class _ShardOf:
    """One shard's studies, and its folder."""

    shard: Shard
    folder: Path
    asked: str
    studies: tuple[GivenStudy, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the shard's rows, one a study."""
        shared = {
            "number": self.shard.number,
            "count": self.shard.count,
            "folder": str(self.folder),
            "asked": self.asked,
        }
        return [{**shared, "study": one.found.key, "given": pickle.dumps(one)} for one in self.studies]


def _need_ray() -> Any:
    """Return Ray. Raises `MissingExtraError` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("--engine ray needs Ray; install it with: pip install 'radseek[ray]'") from error
    return ray


def _wanted(
    database: sqlite3.Connection,
    index: Path,
    encoder: Encoder,
    key: bytes,
    on_duplicate: OnDuplicate,
    report: BuildReport,
    *,
    readmit: bool,
) -> Iterator[GivenStudy]:
    """Yield the studies that a cluster is to read, with what the tables say of them."""
    if not is_index(index):
        for found in found_studies(database, key):
            yield _given(database, found)
        return
    with LocalStore.open(index) as store:
        store.require_key(key)
        check_match(store.spec, store.with_own_pooling(encoder).spec)
        choosing = Choosing(store, database, key, on_duplicate, readmit)
        for found in choosing.wanted():
            yield _given(database, found)
        report.already, report.forgotten, report.generation = choosing.already, choosing.forgotten, store.generation
        report.skip(choosing.refused)


def _given(database: sqlite3.Connection, found: FoundStudy) -> GivenStudy:
    return GivenStudy(found, find_report(database, found.names), find_metadata(database, found.names))


def _shards(studies: Sequence[GivenStudy], index: Path, encoder: Encoder, task: ShardTask) -> Iterator[_ShardOf]:
    """Yield the shards; how many they are, and whose, depends on the studies alone."""
    count = min(_MOST_SHARDS, max(1, -(-len(studies) // STUDIES_A_SHARD)))
    for number in range(1, count + 1):
        shard = Shard(count, number)
        own = tuple(one for one in studies if shard.holds(one.found.key))
        said = [repr((one.found.key, one.found.stamp, one.found.seen, one.report, one.metadata)) for one in own]
        yield _ShardOf(shard, shard_folder(index, shard), asked_of(task.key, encoder, [str(task.stated), said]), own)


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """Join the cluster of this process or of `RAY_ADDRESS`, or make one here that ends with the build."""
    if ray.is_initialized():
        yield
        return
    ray.init(log_to_driver=False, logging_level="WARNING", include_dashboard=False)
    try:
        yield
    finally:
        ray.shutdown()


def _encode_all(
    ray: Any, shards: Sequence[_ShardOf], actor: dict[str, Any], encoder: Encoder, progress: Progress | None
) -> None:
    """Have every shard written. Raises what an actor met."""
    import pyarrow as pa

    for one in (one for one in shards if not one.studies):  # no row would carry them
        encode_shard(one.folder, one.shard, one.asked, (), actor["task"], encoder)
    blocks = [pa.Table.from_pylist(one.rows()) for one in shards if one.studies]
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    done, total = 0, sum(len(one.studies) for one in shards)
    data = ray.data.from_arrow(blocks).map_batches(
        ShardEncoder,
        batch_size=None,  # a block, which is a shard, is a batch
        batch_format="pyarrow",
        fn_constructor_kwargs=actor,
        **_resources(ray, actor, len(blocks)),
    )
    for row in data.iter_rows():
        if row["error"]:
            raise pickle.loads(row["error"])  # noqa: S301 - our own actor's
        done += int(row["studies"])
        if progress is not None:
            progress("build", done, total)


def _resources(ray: Any, actor: Mapping[str, Any], shards: int) -> dict[str, Any]:
    """Return how many actors there may be, and what each is given: a GPU where the cluster has some."""
    there = ray.cluster_resources()
    cpus = max(1, actor["task"].workers)
    on_gpu = there.get("GPU", 0) >= 1 and actor["computing"].get("device", "cuda") != "cpu"
    most = int(there["GPU"]) if on_gpu else int(there.get("CPU", 1) // cpus)
    pool = ray.data.ActorPoolStrategy(size=max(1, min(most, shards)))
    return {"compute": pool, "num_cpus": cpus, **({"num_gpus": 1} if on_gpu else {})}


def _add_up(report: BuildReport, merged: BuildReport) -> None:
    """Add to a report what the merge did."""
    for name in ("studies", "series", "slices", "sentences", "already", "forgotten"):
        setattr(report, name, getattr(report, name) + getattr(merged, name))
    report.unread_sentences, report.generation = merged.unread_sentences, merged.generation
    report.changed += merged.changed
    report.notes += [one for one in merged.notes if one not in report.notes]
    report.skipped += merged.skipped
    report.encoder = merged.encoder
