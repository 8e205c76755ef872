"""The command that keeps an index at what lies under some folders: watch."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from radseek.cli.console import errors
from radseek.cli.options import BodyPart, Device, Modality, Precision, Workers
from radseek.index_builder.build import BuildReport, build_index
from radseek.index_builder.watch import Only, follow
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import IndexBusyError, UsageError
from radseek.retrieval.path_text import found_path
from radseek.retrieval.types import Skipped

__all__ = ["watch"]


def watch(
    sources: Annotated[list[Path], typer.Argument(help="Folders to follow.")],
    index: Annotated[Path, typer.Option("--index", help="The index folder; made if it is not there.")],
    model: Annotated[
        str, typer.Option(help="builtin, biomedclip, random, a folder, or hf-hub:OWNER/NAME.")
    ] = "builtin",
    modality: Modality = None,
    body_part: BodyPart = None,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks; a file must be the same in two of them.")
    ] = 10.0,
    workers: Workers = None,
    device: Device = None,
    precision: Precision = None,
) -> None:
    """Add studies to an index as they arrive, each once its files stand still, until Ctrl-C."""
    roots = [found_path(source) for source in sources]
    missing = [root for root in roots if not root.exists()]
    if missing:
        raise UsageError(f"{missing[0]} does not exist; give a folder that is there.")
    encoder = load_encoder(model, device=device, precision=precision)
    ended = threading.Event()

    def build(only: Only) -> BuildReport | None:
        try:
            return build_index(
                roots,
                index,
                encoder=encoder,
                modality=modality,
                body_part=body_part,
                workers=workers,
                on_duplicate="replace",
                only=only,
            )
        except IndexBusyError:
            errors.print(f"{index} is being written by another process; trying again.", markup=False, soft_wrap=True)
            return None

    before = signal.signal(signal.SIGTERM, _end)
    said: set[Skipped] = set()
    try:
        for report in follow(roots, build, lambda: not ended.wait(every)):
            _say(report, said)
    except KeyboardInterrupt:
        errors.print(f"stopped; what was finished is in {index}", markup=False, soft_wrap=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(report: BuildReport, said: set[Skipped]) -> None:
    """Print what a build added or could not use, the latter once."""
    if report.studies:
        errors.print(
            f"{report.index}, generation {report.generation}: {report.studies} studies added, {report.slices} slices",
            markup=False,
            soft_wrap=True,
        )
    for line in report.skipped:
        if line not in said:
            errors.print(f"{line.path}: {line.reason_code}: {line.message}", markup=False, soft_wrap=True)
    said.update(report.skipped)
