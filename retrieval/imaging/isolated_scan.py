"""Look through a path as `scan` does, in a worker process: a header that hangs or bloats its reader costs one file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from radseek.retrieval.errors import InputError
from radseek.retrieval.imaging.scan import Candidate, FileHeader, candidates, look_at
from radseek.retrieval.imaging.zip_members import unpacking_folder
from radseek.retrieval.machine_memory import memory_share
from radseek.retrieval.types import Skipped
from radseek.retrieval.workers import call_apart

__all__ = ["LookTask", "look_at_all", "scan_apart"]

_BATCH: Final = 64  # files a task: a worker is asked once for so many
_MEMORY: Final = 4 << 30  # bytes of address space that looking at headers may take
_BATCH_SECONDS: Final = 20.0  # for a batch, and for a file alone; a batch that is late is looked at file by file
_FILE_SECONDS: Final = 8.0
_BYTES_A_SECOND: Final = 10_000_000  # more for large files: archives are unpacked to be looked at
_FUNCTION: Final = "radseek.retrieval.imaging.isolated_scan:look_at_all"


@dataclass(frozen=True, slots=True)
class LookTask:
    """Files to look at; `scratch` is where archives are unpacked meanwhile."""

    files: tuple[Candidate, ...]
    scratch: Path


def scan_apart(path: str | Path) -> Iterator[FileHeader | Skipped]:
    """Yield what `scan` yields, in its order; a file that a worker does not survive comes as `Skipped`.

    Raises as `scan`, and `WorkerError` where no worker can be started.
    """
    with unpacking_folder() as scratch:
        found = candidates(path)
        while some := tuple(islice(found, _BATCH)):
            files = tuple(one for one in some if isinstance(one, Candidate))
            looked = iter(_looked(files, scratch, _BATCH_SECONDS))
            for one in some:
                yield from (one,) if isinstance(one, Skipped) else next(looked)


def look_at_all(task: LookTask) -> list[list[FileHeader | Skipped]]:
    """Return for each file what it is, or its members are; called in a worker."""
    tempfile.tempdir = str(task.scratch)
    return [list(look_at(one)) for one in task.files]


def _looked(files: Sequence[Candidate], scratch: Path, seconds: float) -> list[list[FileHeader | Skipped]]:
    if not files:
        return []
    limit = seconds + sum(_size(one) for one in files) / _BYTES_A_SECOND
    memory = min(_MEMORY, memory_share(1))
    try:
        found: list[list[FileHeader | Skipped]] = call_apart(
            _FUNCTION, LookTask(tuple(files), scratch), time_limit=limit, memory_limit=memory
        )
    except InputError as error:
        if len(files) == 1 and seconds == _FILE_SECONDS:
            path = str(files[0].path)
            return [[Skipped(path, error.reason, f"{files[0].path.name}: {error}")]]
        return [one for file in files for one in _looked((file,), scratch, _FILE_SECONDS)]
    return found


def _size(candidate: Candidate) -> int:
    try:
        return os.stat(candidate.path).st_size
    except OSError:
        return 0
