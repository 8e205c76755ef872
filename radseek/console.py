"""What the command prints: progress and messages on stderr, tables or one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from retrieval.results import NOTICE
from retrieval.types import Skipped

__all__ = [
    "MEANINGLESS",
    "errors",
    "number",
    "print_json",
    "print_lines",
    "print_notice",
    "print_skipped",
    "print_table",
    "progress",
]

MEANINGLESS = "Scores are meaningless: the encoder 'random' has random weights."
_PIPED = 160  # columns of a table that goes to a file or a pipe
_SHOWN = 10  # skipped inputs listed one by one; --json has them all

errors = Console(stderr=True, highlight=False)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document and nothing else on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; text from files and reports is never read as markup."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    _stdout().print(table)


def print_lines(title: str, lines: Iterable[str]) -> None:
    """Print lines of text under a title on stdout, as they are."""
    console = _stdout()
    console.print(title, style="bold")
    for line in lines:
        console.print(line)


def print_notice(*, meaningless: bool) -> None:
    """Print what every output a person reads says."""
    if meaningless:
        errors.print(MEANINGLESS, style="bold red", markup=False, soft_wrap=True)
    errors.print(NOTICE, style="dim", markup=False)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """List inputs that were not used, the first few with their remedy."""
    if not skipped:
        return
    errors.print(f"{len(skipped)} inputs were not used:", markup=False)
    for line in skipped[:_SHOWN]:
        errors.print(f"  {line.path}: {line.reason_code}: {line.message}", markup=False, soft_wrap=True)
    if len(skipped) > _SHOWN:
        errors.print(f"  and {len(skipped) - _SHOWN} more; --json lists them all", markup=False)


def _stdout() -> Console:
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPED)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a line of progress on stderr while a build runs; silent where stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"), TimeElapsedColumn())
    words = {"find": "files found", "build": "studies built", "write": "studies written"}
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        tasks = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(words.get(stage, stage), total=total)
            bar.update(tasks[stage], completed=done)

        yield update


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
