"""The command that makes an index what lies under some folders: sync."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.app.forget_study import Named, forget
from radseek.cli.build_tables import print_build
from radseek.cli.console import errors, interruptible, print_json, progress
from radseek.cli.options import BodyPart, Device, Json, Modality, Precision, Workers
from radseek.index_builder.build import build_index
from radseek.index_builder.left_studies import LeftStudy, left_studies, require_few_left
from radseek.index_builder.name_match import three_of
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import load_key

__all__ = ["sync"]


def sync(
    sources: Annotated[list[Path], typer.Argument(help="The folders that the index is to follow.")],
    index: Annotated[Path, typer.Option("--index", help="The index folder; made if it is not there.")],
    forget_left: Annotated[
        bool, typer.Option("--forget", help="Forget what left, for good; without it what left is listed.")
    ] = False,
    at_most: Annotated[
        int | None,
        typer.Option("--at-most", min=1, help="Forget up to so many of a source's studies; without it one in ten."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="builtin, biomedclip, random, a folder, or hf-hub:OWNER/NAME.")
    ] = "builtin",
    modality: Modality = None,
    body_part: BodyPart = None,
    workers: Workers = None,
    device: Device = None,
    precision: Precision = None,
    json: Json = False,
) -> None:
    """Add what is new under SOURCES, replace what changed, and list what left, or forget it when told."""
    if at_most is not None and not forget_left:
        raise UsageError("--at-most says how much may be forgotten; give --forget too.")
    roots = [found_path(source) for source in sources]
    encoder = load_encoder(model, device=device, precision=precision)
    with progress() as update, interruptible(index, json=json):
        report = build_index(
            roots,
            index,
            encoder=encoder,
            modality=modality,
            body_part=body_part,
            workers=workers,
            on_duplicate="replace",
            progress=update,
        )
    key = load_key(make=False)
    with LocalStore.open(index) as store:
        left, counts = left_studies(store, roots, key)
    for note in report.notes:
        errors.print(note, markup=False, soft_wrap=True)
    if not report.studies and not report.already and not report.forgotten and not left:
        raise UsageError(f"{sources[0]} holds no study; give folders with DICOM, NIfTI, PNG or JPEG files.")
    if forget_left and left:
        require_few_left(left, counts, at_most)
        done = forget(index, [Named("what left", frozenset(one.key for one in left))], key)
        report.generation = done.generation
    if json:
        listed = [{"study": one.key, "path": one.path} for one in left]
        print_json({**report.to_dict(), "left": listed, "left_forgotten": forget_left and bool(left)})
        return
    if left:
        errors.print(_said(left, forgotten=forget_left), markup=False, soft_wrap=True)
    print_build(report)


def _said(left: list[LeftStudy], *, forgotten: bool) -> str:
    some = three_of([one.path for one in left], len(left))
    if forgotten:
        return f"{len(left)} studies left the source and were forgotten ({some})."
    return (
        f"{len(left)} studies left the source and are still in the index ({some}); --forget forgets them, `radseek "
        "compact --gone` removes those whose files are gone and lets a build take them in again."
    )
