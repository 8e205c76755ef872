"""Read uploaded files in worker processes under a memory and a time limit: what is sent may crash a decoder.

The first worker looks through the folder, and where it holds one study, reads it at once. Of several, each is read as
a task of its own, so that a bad one costs only itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.scan import FileHeader, group_key, scan
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.imaging.study_reader import read_files
from radseek.retrieval.imaging.zip_members import is_zip, members, open_zip
from radseek.retrieval.machine_memory import memory_share
from radseek.retrieval.types import Skipped, Study
from radseek.retrieval.workers import supervised_map

__all__ = ["MEMORY", "SECONDS", "Decoded", "FolderTask", "StudyTask", "decode", "decode_folder"]

MEMORY: Final = 4 << 30  # bytes of address space a worker may map
SECONDS: Final = 120.0  # a worker may take for one task
_HEAD: Final = 4  # bytes that say whether a file is a zip


@dataclass(frozen=True, slots=True)
class StudyTask:
    """One study's files to read; `scratch` is where zip members are unpacked."""

    headers: tuple[FileHeader, ...]
    stated: StatedKind
    scratch: Path


@dataclass(frozen=True, slots=True)
class FolderTask:
    """A folder to look through. Its zip archives may announce `unpacked` bytes and `members` files, all together."""

    folder: Path
    scratch: Path
    stated: StatedKind
    unpacked: int
    members: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a worker found: studies that it read, and the headers of others that it left for tasks of their own."""

    studies: tuple[Study, ...] = ()
    found: tuple[tuple[FileHeader, ...], ...] = ()
    skipped: tuple[Skipped, ...] = ()


def decode(task: FolderTask | StudyTask) -> Decoded:
    """Do one task, in a worker. Raises `InputError` where nothing of it can be used."""
    tempfile.tempdir = str(task.scratch)  # a worker that is killed leaves nothing elsewhere
    if isinstance(task, StudyTask):
        return Decoded(studies=(read_files(task.headers, task.stated),))
    _check_archives(task)
    groups: dict[str, list[FileHeader]] = {}
    skipped: list[Skipped] = []
    for found in scan(task.folder):
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            groups.setdefault(group_key(found), []).append(found)
    headers = tuple(tuple(group) for group in groups.values())
    if len(headers) == 1:
        return Decoded(studies=_read(headers[0], task, skipped), skipped=tuple(skipped))
    return Decoded(found=headers, skipped=tuple(skipped))


def decode_folder(
    task: FolderTask, most: int, stopped: Callable[[], bool], *, seconds: float = SECONDS, memory: int = MEMORY
) -> Iterator[Decoded]:
    """Yield first what is in a folder, then each of its studies that was not read with it, at most `most` studies.

    Ends early where `stopped()` says so, and then the worker is killed. Raises `InputError` where the folder cannot be
    looked through or holds more than `most` studies.
    """
    # No worker is kept: what one sender's files did to it is not for another's.
    limits = {"workers": 1, "time_limit": seconds, "memory_limit": min(memory, memory_share(1)), "keep": False}
    waiting: Sequence[StudyTask] = ()
    for outcome in supervised_map("radseek.app.upload_decoding:decode", [task], stopped=stopped, **limits):  # type: ignore[arg-type]
        if outcome.error is not None:
            raise outcome.error
        if len(outcome.value.found) > most:
            rule = f"the files belong to {len(outcome.value.found)} studies and {most} can be looked at together"
            raise InputError(Reason.TOO_LARGE, f"{rule}; send fewer, or build an index of them")
        yield outcome.value
        waiting = [StudyTask(headers, task.stated, task.scratch) for headers in outcome.value.found]
    if not waiting:
        return
    for one in supervised_map("radseek.app.upload_decoding:decode", waiting, stopped=stopped, **limits):  # type: ignore[arg-type]
        yield one.value if one.error is None else Decoded(skipped=refused(one.task.headers, one.error))


def refused(headers: Sequence[FileHeader], error: InputError) -> tuple[Skipped, ...]:
    """Return a line for each file of a study that could not be read."""
    lines = error.lines or tuple((header.path, error.reason, str(error)) for header in headers)
    return tuple(Skipped(path, Reason(reason), message) for path, reason, message in lines)


def _read(headers: tuple[FileHeader, ...], task: FolderTask, skipped: list[Skipped]) -> tuple[Study, ...]:
    try:
        return (read_files(headers, task.stated),)
    except InputError as error:
        skipped.extend(refused(headers, error))
        return ()


def _check_archives(task: FolderTask) -> None:
    """Refuse before anything is unpacked: a member never unpacks to more than it announces, so these sums hold."""
    count = total = 0
    for path in sorted(one for one in task.folder.rglob("*") if one.is_file()):
        with path.open("rb") as file:
            if not is_zip(file.read(_HEAD)):
                continue
        try:
            with open_zip(path) as archive:
                infos = members(archive, path)
        except InputError:  # `scan` says of this one what is wrong with it
            continue
        count += len(infos)
        total += sum(info.file_size for info in infos)
    if count > task.members:
        raise InputError(Reason.TOO_LARGE, f"{count:,} files in the archives, above {task.members:,}; send fewer")
    if total > task.unpacked:
        raise InputError(
            Reason.TOO_LARGE, f"the archives unpack to {total:,} bytes, above {task.unpacked:,}; send fewer files"
        )
