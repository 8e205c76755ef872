"""The command that merges the shards of one build: merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.build_tables import print_build
from radseek.cli.console import errors, interruptible, print_json, progress
from radseek.cli.options import Duplicates, Json, OnDuplicate, Readmit
from radseek.index_builder.shards.shard_merge import merge_shards

__all__ = ["merge"]


def merge(
    index: Annotated[Path, typer.Argument(help="The index folder; made if it is not there.")],
    shards: Annotated[list[Path], typer.Argument(help="The folders of all shards, as in INDEX.shards/*.")],
    on_duplicate: Duplicates = OnDuplicate.SKIP,
    readmit: Readmit = False,
    json: Json = False,
) -> None:
    """Merge the shards that `radseek build --shard` wrote into one index. Run again after an interruption."""
    with progress() as update, interruptible(index, json=json):
        report = merge_shards(index, shards, on_duplicate=on_duplicate.value, readmit=readmit, progress=update)
    for note in report.notes:
        errors.print(note, markup=False, soft_wrap=True)
    if json:
        print_json(report.to_dict())
    else:
        print_build(report)
