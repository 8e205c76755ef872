"""What the command prints: progress and messages on stderr, tables or one JSON document on stdout."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from radseek.retrieval.document import NOTICE
from radseek.retrieval.path_text import printable

if TYPE_CHECKING:
    from radseek.retrieval.language.spelling import Suggestion
    from radseek.retrieval.types import Skipped

__all__ = [
    "MEANINGLESS",
    "be_quiet",
    "errors",
    "interruptible",
    "number",
    "numbers_apart",
    "print_json",
    "print_json_rows",
    "print_lines",
    "print_notice",
    "print_remarks",
    "print_skipped",
    "print_table",
    "progress",
    "slice_number",
]

MEANINGLESS = "Scores are meaningless: the encoder 'random' has random weights."
INTERRUPTED = 130  # 128 and SIGINT
_LONE = re.compile(r"[\ud800-\udfff]")
_PIPED = 160  # columns of text that goes to a file or a pipe
_WIDEST = 2000  # columns of a table that does
_SHOWN = 10  # skipped inputs listed one by one; --json has them all

errors = Console(stderr=True, highlight=False)
_quiet = False


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document and nothing else on stdout."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(_printable(document), ensure_ascii=not utf8, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # where the disk under a redirected output is full, it is said now and not at exit


def print_json_rows(document: dict[str, Any], name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Print a document whose last member `name` is a list, as `print_json` would; the list's rows come one by one."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

    def text(value: dict[str, Any]) -> str:
        return json.dumps(_printable(value), ensure_ascii=not utf8, indent=2, allow_nan=False)

    head, between = text({**document, name: []}), "\n"
    for row in rows:
        start = head.removesuffix("]\n}") if between == "\n" else ""
        sys.stdout.write(f"{start}{between}{indent(text(row), '    ')}")
        between = ",\n"
    sys.stdout.write(head + "\n" if between == "\n" else "\n  ]\n}\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; text from files and reports is never read as markup."""
    table = Table(
        title=printable(title) or None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(printable(column), overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
    if sys.stdout.isatty():
        _stdout().print(table)
        return
    wide = Console(highlight=False, markup=False, width=_WIDEST)  # a row a line: what is piped is searched and cut
    with wide.capture() as lines:
        wide.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines.get().splitlines()))
    sys.stdout.flush()


def print_lines(title: str, lines: Iterable[str]) -> None:
    """Print lines of text under a title on stdout, as they are."""
    console = _stdout()
    console.print(printable(title), style="bold")
    for line in lines:
        console.print(printable(line))


def print_notice(*, meaningless: bool) -> None:
    """Print what every output a person reads says."""
    if meaningless:
        errors.print(MEANINGLESS, style="bold red", markup=False, soft_wrap=True)
    errors.print(NOTICE, style="dim", markup=False)


def print_remarks(notes: Iterable[str], suggestions: Iterable[Suggestion]) -> None:
    """Say beside an answer why there is nothing in it, and what misspelt words may have meant."""
    for sentence in () if _quiet else (*notes, *map(str, suggestions)):
        errors.print(printable(sentence), markup=False, soft_wrap=True)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """List inputs that were not used, the first few with their remedy."""
    if not skipped or _quiet:
        return
    errors.print(f"{len(skipped)} inputs were not used:", markup=False)
    for line in skipped[:_SHOWN]:
        text = printable(f"  {line.path}: {line.reason_code}: {line.message}").replace("\n", "\\n")
        errors.print(text, markup=False, soft_wrap=True)
    if len(skipped) > _SHOWN:
        errors.print(f"  and {len(skipped) - _SHOWN} more; --json lists them all", markup=False)


def _stdout() -> Console:
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPED)


class _Counted(ProgressColumn):
    """How many there are, of how many where that is known, and how many a second."""

    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f" of {task.total:.0f}"
        rate = "" if not task.speed else f", {task.speed:.3g}/s"
        return Text(f"{task.completed:.0f}{of}{rate}")


def be_quiet(quiet: bool) -> None:
    """Leave out, from now on, progress and the lists of what was skipped and may have been meant; never the notice."""
    global _quiet
    _quiet = quiet


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a line of progress on stderr while a build runs; silent where stderr is no terminal."""
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), _Counted(), TimeElapsedColumn()),
        *(TextColumn("left:"), TimeRemainingColumn()),
    )
    words = {
        "find": "files found",
        "build": "studies built",
        "write": "studies written",
        "screen": "studies screened",
        "report": "reports written",
    }
    with Progress(*columns, console=errors, transient=True, disable=_quiet or not errors.is_terminal) as bar:
        tasks = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(words.get(stage, stage), total=total)
            bar.update(tasks[stage], completed=done)

        yield update


@contextmanager
def interruptible(index: Path, *, json: bool) -> Iterator[None]:
    """Say in one sentence what Ctrl-C leaves behind, and end with 130 as a shell expects."""
    try:
        yield
    except KeyboardInterrupt:
        message = f"interrupted; finished studies are in {index}: run the same command again and it goes on from there"
        errors.print(f"radseek: {message}", markup=False, soft_wrap=True)
        if json:
            print_json({"error": {"kind": "Interrupted", "exit_code": INTERRUPTED, "message": message}})
        raise typer.Exit(INTERRUPTED) from None


def _printable(value: Any) -> Any:
    """Return a document without what UTF-8 cannot hold: the odd bytes of a file's name, wherever they stand."""
    if isinstance(value, str):
        return value if value.isascii() else _LONE.sub(lambda match: printable(match[0]), value)
    if isinstance(value, dict):
        return {_printable(name): _printable(one) for name, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list | tuple) else value


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def numbers_apart(values: Sequence[float]) -> list[str]:
    """Return numbers for a table, with as many digits (3 to 7) as make neighbours that differ look different."""
    for digits in range(3, 7):
        shown = [number(value, digits) for value in values]
        pairs = zip(values, values[1:], shown, shown[1:], strict=False)
        if all(text != after for value, other, text, after in pairs if value != other):
            return shown
    return [number(value, 7) for value in values]


def slice_number(z: int | None) -> str:
    """Return a slice as people count: from 1, as pages and summaries do; JSON and files count from 0."""
    return "slice -" if z is None else f"slice {z + 1}"
