"""The command `resolve`: from studies' keys back to accession numbers, dates and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.app.original_study import original_study
from radseek.cli.console import print_json, print_table
from radseek.cli.options import Json
from radseek.retrieval.index.local_store import LocalStore

__all__ = ["resolve"]


def resolve(
    study: Annotated[list[str], typer.Argument(help="A study's key, as answers have it; several together.")],
    index: Annotated[Path, typer.Option("--index", help="The index folder; its linkage file must be beside it.")],
    json: Json = False,
) -> None:
    """Say what studies are called outside: accession number, date, StudyInstanceUID and path. Names patients."""
    with LocalStore.open(index) as store:
        found = [original_study(store, key) for key in study]
    if json:
        print_json({"index": str(index), "results": [one.to_dict() for one in found]})
        return
    rows = [[one.study, one.accession, one.date, one.study_uid, one.path, len(one.paths)] for one in found]
    print_table("", ["study", "accession", "date", "StudyInstanceUID", "path", "files"], rows)
