"""The `radseek` command. It parses, calls the library, and turns errors into sentences and exit codes.

Exit codes: 0 done, 2 usage, 3 wrong encoder for this index, 4 every input refused, 5 index damaged, 6 something needed
is not installed, 7 busy or unreachable: a lock, a network, a server, 8 no room, no permission, or no more open files or
memory, 130 interrupted.
"""

from __future__ import annotations

from radseek.cli import early_exit  # first: it watches what takes time

# isort: split
import errno
import logging
import os
import signal
import sqlite3
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import be_quiet, errors, print_json
from radseek.cli.late_commands import INTERRUPTED_MESSAGE, InterruptedCommandError, LateCommands, import_for
from radseek.retrieval.disk_errors import is_storage_error, limit_error, sqlite_storage_error, storage_error
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import RadseekError, StorageError
from radseek.retrieval.path_text import printable

early_exit.over()

__all__ = ["app", "main", "run"]


app = typer.Typer(
    name="radseek",
    cls=LateCommands,
    help=f"Ask an archive of scans in words, or by showing a study. {NOTICE}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"radseek {version('radseek')}")
        raise typer.Exit


@app.callback()
def _radseek(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and exit.")
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log what is done to stderr; -vv in detail.")
    ] = 0,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No progress, nothing beside the answer but errors and the notice."),
    ] = False,
) -> None:
    """What comes before a command's name."""
    be_quiet(quiet)
    if verbose:
        logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s: %(message)s", stream=sys.stderr, force=True)
        logging.getLogger("radseek").setLevel(logging.INFO if verbose == 1 else logging.DEBUG)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    early_exit.begin()
    import_for(given)
    early_exit.over()
    code = run(given)
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # everything is said; ending takes a moment
    try:
        sys.stdout.flush()
    except OSError:  # said already; what is left would be complained of once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or StorageError.exit_code
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    warnings.simplefilter("ignore")  # a library's warning to its developers is not for whoever runs the command
    warnings.filterwarnings("default", category=UserWarning, module=r"radseek\.")
    interrupts = early_exit.Interrupts()
    interrupts.watch()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _fail(early_exit.INTERRUPTED, "Interrupted", INTERRUPTED_MESSAGE, arguments)
    except Exception:
        if interrupts.met:  # some libraries make an error of their own of it
            return _fail(early_exit.INTERRUPTED, "Interrupted", INTERRUPTED_MESSAGE, arguments)
        raise
    finally:
        interrupts.end()


def _run(arguments: Sequence[str]) -> int:
    try:
        app(list(arguments), prog_name="radseek")
    except SystemExit as stop:  # typer's own: help, a wrong option
        return int(stop.code or 0)
    except InterruptedCommandError as error:
        return _fail(early_exit.INTERRUPTED, "Interrupted", str(error), arguments)
    except RadseekError as error:
        return _fail(error.exit_code, type(error).__name__, str(error), arguments)
    except MemoryError:
        shown = limit_error(errno.ENOMEM, Path.cwd())
        return _fail(shown.exit_code, type(shown).__name__, str(shown), arguments)
    except OSError as error:
        if is_storage_error(error):
            of_the_disk = _of_the_disk(error)
            return _fail(of_the_disk.exit_code, type(of_the_disk).__name__, str(of_the_disk), arguments)
        return _fail(2, type(error).__name__, f"{error.filename or ''}: {error.strerror or error}", arguments)
    except Exception as error:
        caused = next((_of_the_disk(one) for one in _causes(error) if is_storage_error(one)), None)
        if caused is None and isinstance(error, sqlite3.Error):
            caused = sqlite_storage_error(error, Path.cwd())  # type: ignore[assignment]
        if caused is None:
            raise
        return _fail(caused.exit_code, type(caused).__name__, str(caused), arguments)
    return 0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what led to it: a library may say of a full disk only that it could not save."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _of_the_disk(error: OSError) -> StorageError:
    """Return an error of the disk that no part of the library has put into words."""
    named = error.filename2 or error.filename
    if isinstance(named, str | bytes):
        return storage_error(error, Path(os.fsdecode(named)))
    return StorageError(f"the output cannot be written ({error.strerror or error}); see that its disk has room.")


def _fail(code: int, kind: str, message: str, arguments: Sequence[str]) -> int:
    errors.print(f"radseek: {printable(message)}", markup=False, soft_wrap=True)
    if "--json" in arguments and kind != "InputError":  # where inputs were refused, the answer itself is printed
        with suppress(OSError):  # it may be the output itself that has no room
            print_json({"error": {"kind": kind, "exit_code": code, "message": message}})
    return code
