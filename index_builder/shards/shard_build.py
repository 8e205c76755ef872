"""Build one shard of an archive: the same build, of a part of the studies, with a mark when it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radseek.index_builder.build import BuildReport, Progress, Tables, build_index
from radseek.index_builder.choice import OnDuplicate
from radseek.index_builder.shards.finished_shard import (
    FinishedShard,
    clear_success,
    read_finished,
    shard_folder,
    shard_index,
    write_success,
)
from radseek.index_builder.shards.shard import Shard
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import canonical_hash
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import keyed_hash, load_key

__all__ = ["already_done", "asked_of", "build_shard"]


def build_shard(
    sources: Sequence[str | Path],
    index: str | Path,
    shard: Shard,
    *,
    encoder: Encoder,
    modality: str | None = None,
    body_part: str | None = None,
    tables: Tables | None = None,
    workers: int | None = None,
    on_duplicate: OnDuplicate = "skip",
    progress: Progress | None = None,
) -> BuildReport:
    """Write one shard of the studies under `sources` beside `index`, which is not touched: `merge_shards` is next.

    Every file's header is read, so that all shards agree on what the studies are called; of pixels only the shard's
    own. A shard that is finished, and was asked for with the same words and tables, is checked and passed over; one
    that was cut short goes on where it was.

    Args:
        sources: files and folders.
        index: the index that the shards will be merged into.
        shard: which one, such as `Shard.parse("3/64")`.
        encoder: a loaded encoder; it must be the same for all shards.
        modality: as for `build_index`.
        body_part: as for `build_index`.
        tables: reports and metadata, each with the rows of all studies.
        workers: as for `build_index`.
        on_duplicate: as for `build_index`, of a shard that is built again.
        progress: as for `build_index`.

    Returns:
        What was done; `index` is the shard's own.

    Raises:
        IndexDamagedError: the shard was finished, and is not what was written any more.
        RadseekError: as `build_index` does.
    """
    tables = tables or Tables()
    folder, key = shard_folder(Path(index), shard), load_key()
    words = [[str(found_path(one).absolute()) for one in sources], modality, body_part, _said(tables)]
    asked = asked_of(key, encoder, words)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    finished = read_finished(folder)
    if finished is not None and finished.asked == asked:
        return already_done(finished)
    clear_success(folder)
    report = build_index(
        list(sources),
        shard_index(folder),
        encoder=encoder,
        modality=modality,
        body_part=body_part,
        reports=tables.reports,
        metadata=tables.metadata,
        study_column=tables.study_column,
        report_column=tables.report_column,
        workers=workers,
        on_duplicate=on_duplicate,
        only=lambda found: shard.holds(found.key),
        progress=progress,
    )
    write_success(folder, shard, asked, report)
    return report


def asked_of(key: bytes, encoder: Encoder, words: Any) -> str:
    """Return a keyed hash of what a shard is made of, to tell whether a finished one is what is asked for."""
    spec = encoder.spec
    text = canonical_hash([spec.imaging_hash, spec.towers_hash, spec.pooling_hash, words])
    return keyed_hash(key, "asked", text)


def already_done(finished: FinishedShard) -> BuildReport:
    """Return the report of a shard that was finished before: its studies are there already."""
    said = finished.report
    done = BuildReport(
        str(shard_index(finished.folder)),
        dict(said["encoder"]),
        generation=said["generation"],
        files=said["files"],
        already=said["studies"] + said["already"],
        reports_unmatched=said["reports_unmatched"],
        metadata_unmatched=said["metadata_unmatched"],
        notes=[*said["notes"], f"Shard {finished.shard} was finished before; its files are whole."],
    )
    done.skipped = finished.skipped
    return done


def _said(tables: Tables) -> list[str | None]:
    """Return what is in the tables, as hashes, and the headings named."""
    files = [None if one is None else found_path(one) for one in (tables.reports, tables.metadata)]
    digests = [None if one is None or not one.is_file() else _digest(one) for one in files]
    return [*digests, tables.study_column, tables.report_column]


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
