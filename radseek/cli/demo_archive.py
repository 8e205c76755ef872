"""The archive that `radseek demo` shows where none is given: phantoms, made once and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock

from radseek.app.session import Session
from radseek.demo.phantoms.write.cohort import write_cohort
from radseek.index_builder import build_index
from radseek.retrieval.errors import EncoderMismatchError, IndexDamagedError

__all__ = ["STUDIES", "demo_folder", "phantom_session"]

STUDIES: Final = 8  # two of each kind: enough to find neighbours, and made in a minute
_SEED: Final = 7
_DONE: Final = "complete"  # written last: a folder without it was interrupted
Progress = Callable[[str, int, int | None], None]


def demo_folder() -> Path:
    """Return where the archive is kept: `$XDG_CACHE_HOME/radseek/demo`, or under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radseek" / "demo"


def phantom_session(progress: Progress) -> Session:
    """Open the phantoms' archive; it is made where there is none, or only one that this version cannot read."""
    folder = demo_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if (folder / _DONE).exists():
            try:
                return Session.open(folder / "archive.index")
            except (EncoderMismatchError, IndexDamagedError):  # another version's
                pass
        _make(folder, progress)
        return Session.open(folder / "archive.index")


def _make(folder: Path, progress: Progress) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    write_cohort(folder, "mixed", STUDIES, _SEED, lambda done, total: progress("write", done, total))
    build_index([folder / "studies"], folder / "archive.index", reports=folder / "reports.csv", progress=progress)
    (folder / _DONE).touch()
