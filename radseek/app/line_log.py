"""A log of lines beside an index: whoever writes adds whole lines, each on disk before the next; for its owner only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from radseek.retrieval.errors import BusyError, UsageError

__all__ = ["LineLog"]

_WAIT: Final = 10.0  # seconds that a line waits for another one being written


class LineLog:
    """The log at a path. Any number of processes may write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: str) -> None:
        """Add a line. Raises `BusyError` where others keep writing, `UsageError` where the disk refuses."""
        self._locked(lambda: self._add(line.encode() + b"\n"))

    def lines(self) -> list[bytes]:
        """Return the lines without their ends; a missing log is an empty one."""
        try:
            return [line for line in self.path.read_bytes().split(b"\n") if line]
        except FileNotFoundError:
            return []

    def keep_only(self, wanted: Callable[[bytes], bool]) -> int:
        """Take out every line that is not wanted; return how many. Raises as `append` does."""
        return self._locked(lambda: self._rewrite(wanted))

    def _locked(self, act: Callable[[], int]) -> int:
        try:
            with FileLock(f"{self.path}.lock", timeout=_WAIT, mode=0o600):
                return act()
        except Timeout:
            raise BusyError(f"Others are writing {self.path.name}; try again in a moment.") from None
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written ({error.strerror}); make its folder writable.") from error

    def _add(self, line: bytes) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            with os.fdopen(os.dup(descriptor), "ab") as file:
                file.write(b"\n" + line if torn else line)  # a write that was cut short stays a line of its own
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return 1

    def _rewrite(self, wanted: Callable[[bytes], bool]) -> int:
        lines = self.lines()
        kept = [line for line in lines if wanted(line)]
        if len(kept) < len(lines):
            draft = self.path.with_name(f".{self.path.name}.draft")
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"".join(line + b"\n" for line in kept))
                file.flush()
                os.fsync(descriptor)
            draft.replace(self.path)
        return len(lines) - len(kept)
