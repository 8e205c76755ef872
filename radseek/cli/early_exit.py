"""Ctrl-C and a full disk while the command's libraries are imported, which takes seconds: one sentence, a code, JSON.

Imported first of all, and light: nothing but the standard library. Importing it begins the watch, `over` ends it once
everything is there; `Interrupts` then remembers a Ctrl-C that a library turned into an error of its own.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Final

__all__ = ["INTERRUPTED", "Interrupts", "begin", "over"]

INTERRUPTED: Final = 130  # 128 and SIGINT
_NO_ROOM: Final = 8
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
_before: dict[str, object] = {}


class Interrupts:
    """Whether Ctrl-C was pressed since `watch`; it is raised as Python does, and remembered."""

    def __init__(self) -> None:
        self.met = False

    def watch(self) -> None:
        """Handle Ctrl-C from now on, where nobody else does and this is the main thread."""
        if _is_ours():
            signal.signal(signal.SIGINT, self._interrupted)

    def end(self) -> None:
        """Hand Ctrl-C back to Python."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == (
            self._interrupted
        ):
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self.met = True
        raise KeyboardInterrupt


def begin() -> None:
    """Watch imports of the command's, until `over`."""
    if _is_ours():
        signal.signal(signal.SIGINT, _on_interrupt)
        _before["hook"] = sys.excepthook
        sys.excepthook = _on_error


def over() -> None:
    """End the watch of the imports."""
    if "hook" in _before:
        sys.excepthook = _before.pop("hook")  # type: ignore[assignment]
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_ours() -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _on_interrupt(_number: int, _frame: FrameType | None) -> None:
    # Raised inside an import it would become whatever the importing library makes of it; and nothing was begun yet.
    _end(INTERRUPTED, "Interrupted", "interrupted while it was starting; nothing was done")


def _on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    no_temporary = isinstance(error, FileNotFoundError) and "temporary" in str(error)
    if isinstance(error, OSError) and (no_temporary or error.errno in _FULL):
        todo = "make room there, or set TMPDIR to a folder with some, and run the same again"
        what = error.filename or "a folder for temporary files"
        why = error.strerror or "none can be written"
        _end(_NO_ROOM, "StorageError", f"{what} cannot be used while starting ({why}); {todo}.")
    sys.__excepthook__(kind, error, trace)


def _end(code: int, kind: str, message: str) -> None:
    try:
        sys.stderr.write(f"radseek: {message}\n")
        sys.stderr.flush()
        if "--json" in sys.argv:
            document = {"error": {"kind": kind, "exit_code": code, "message": message}}
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            sys.stdout.flush()
    finally:
        os._exit(code)  # libraries half imported have nothing to say at exit


begin()
