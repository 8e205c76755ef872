"""The command that sends an index's views to Milvus: milvus push."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors, print_json, progress
from radseek.cli.options import Json
from radseek.retrieval.index.milvus.milvus_store import push_index

__all__ = ["milvus", "push"]


def push(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    uri: Annotated[str, typer.Option(help="Of Milvus, http://HOST:19530; or a file, NAME.db, for milvus-lite.")],
    index_type: Annotated[
        str, typer.Option(help="How Milvus indexes a new collection: FLAT keeps answers exact; HNSW, DISKANN...")
    ] = "FLAT",
    replace: Annotated[bool, typer.Option("--replace", help="Make the collection again, whatever it holds.")] = False,
    parquet: Annotated[
        Path | None,
        typer.Option(
            help="Write what lacks into this folder as Parquet for a bulk import, after which you push again."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Bring the collection of an index up to date: send what lacks, delete what was removed."""
    with progress() as update:
        report = push_index(index, uri, index_type=index_type, replace=replace, folder=parquet, progress=update)
    if json:
        print_json({"index": str(index), "uri": uri, **report.to_dict()})
        return
    if report.files:
        said = (
            f"{report.written} views that {report.collection} lacks are in {len(report.files)} files under {parquet}; "
            "import them (docs/manual/milvus.md), then push again"
        )
    else:
        said = (
            f"{report.collection} holds generation {report.generation}: {report.sent} views sent, {report.deleted} "
            f"deleted, {report.kept} were there"
        )
    errors.print(said, markup=False, soft_wrap=True)


milvus: Mapping[str, Callable[..., None]] = {"push": push}
