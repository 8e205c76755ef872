"""The ways that `radseek build` goes: the whole here, one shard here, or all shards on a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from radseek.index_builder.build import BuildReport, Progress, Tables, build_index
from radseek.index_builder.choice import OnDuplicate
from radseek.index_builder.shards.ray_build import build_with_ray
from radseek.index_builder.shards.shard import Shard
from radseek.index_builder.shards.shard_build import build_shard
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import UsageError

__all__ = ["BuildEngine", "build_by"]


class BuildEngine(StrEnum):
    """Who encodes: this process, or a Ray cluster."""

    LOCAL = "local"
    RAY = "ray"


def build_by(
    engine: BuildEngine,
    shard: str | None,
    sources: Sequence[Path],
    index: Path,
    *,
    model: str,
    computing: Mapping[str, Any],
    modality: str | None,
    body_part: str | None,
    tables: Tables,
    workers: int | None,
    on_duplicate: OnDuplicate,
    readmit: bool,
    progress: Progress,
) -> BuildReport:
    """Build as the command was told to. `computing`: device, precision and batch size, where they were given.

    Raises `UsageError` for options that exclude each other.
    """
    given: dict[str, Any] = {"modality": modality, "body_part": body_part, "workers": workers}
    given |= {"on_duplicate": on_duplicate, "progress": progress}
    if shard is not None and (engine is BuildEngine.RAY or readmit):
        other = "--engine ray makes shards of its own" if engine is BuildEngine.RAY else "--readmit is for the merge"
        raise UsageError(f"--shard writes one part apart, and {other}; leave one of the two out.")
    if shard is not None:
        part, encoder = Shard.parse(shard), load_encoder(model, **computing)
        return build_shard(sources, index, part, encoder=encoder, tables=tables, **given)
    if engine is BuildEngine.RAY:
        return build_with_ray(sources, index, model=model, computing=computing, tables=tables, readmit=readmit, **given)
    return build_index(
        sources,
        index,
        model=model,
        encoder=load_encoder(model, **computing) if computing else None,
        reports=tables.reports,
        metadata=tables.metadata,
        study_column=tables.study_column,
        report_column=tables.report_column,
        readmit=readmit,
        **given,
    )
