"""Files that a visitor sends, read as studies: gathered in a private folder, decoded in workers, deleted at once.

The page and the server both come this way; nothing of a file stays but the studies in memory. Each is an upload: its
key is never that of a stored study, so whatever UID a file claims, nobody else sees other images than before.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from radseek.app.upload_decoding import FolderTask, decode_folder
from radseek.app.upload_folder import upload_folder
from radseek.retrieval.disk_errors import using_temporary_folder
from radseek.retrieval.errors import InputError, Reason, UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.types import Skipped, Study

__all__ = ["Received", "UploadLimits", "gather", "receive"]

Progress = Callable[[str, int, int | None], None]  # stage ("check", "read"), done, total (None while unknown)
_LONGEST = 120  # characters of a file's name that are kept; file systems take 255 bytes
_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"|?*]")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much one upload may be: files and bytes as sent, files and bytes inside its archives, and studies."""

    files: int = 4_000
    stored: int = 2 << 30
    members: int = 10_000
    unpacked: int = 4 << 30
    studies: int = 16


@dataclass(frozen=True, slots=True)
class Received:
    """The studies of one upload, never none, and every file of it that was not used. Paths are as they were sent."""

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(slots=True)
class _Reading:
    studies: list[Study] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def receive(
    files: Iterable[str | Path],
    *,
    modality: str | None = None,
    body_part: str | None = None,
    limits: UploadLimits | None = None,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Received:
    """Read the files of one upload: DICOM, NIfTI (with what belongs to it), PNG, JPEG, zips of these. They are copied,
    or linked, and left as they are.

    `modality` and `body_part` name what NIfTI files and pictures cannot. `stopped` is asked several times a second.

    Raises:
        UsageError: no file was given.
        UnknownNameError: no such modality or body part.
        InputError: `too_large` past a limit; or nothing can be read: the commonest reason, and `lines`.
        CancelledError: `stopped()` said so.
    """
    stated = stated_kind(modality, body_part)
    limits = limits or UploadLimits()
    with upload_folder() as folder:
        sent, scratch = folder / "sent", folder / "unpacked"
        scratch.mkdir()
        gather(files, sent, limits)
        task = FolderTask(sent, scratch, stated, limits.unpacked, limits.members)
        try:
            reading = _read(task, limits, progress or _silent, stopped)
        except InputError as error:
            raise _as_sent(error, folder) from error
        if stopped():
            raise CancelledError("The upload was stopped.")
        skipped = tuple(_shown(line, folder) for line in reading.skipped)
        if not reading.studies:
            raise _nothing(skipped)
        return Received(tuple(_forget_folder(one, folder) for one in reading.studies), skipped)


def gather(files: Iterable[str | Path], folder: Path, limits: UploadLimits | None = None) -> int:
    """Put files side by side into a new folder, under their own names made safe; return how many bytes they are.

    Side by side, because a NIfTI's header file and sidecar are found beside it. Of files of one name, the second goes
    to a folder `2`, and so on.

    Raises `UsageError` for no files, `InputError` (`too_large`) past a limit, `StorageError` where there is no room.
    """
    limits = limits or UploadLimits()
    paths = [Path(file) for file in files]
    if not paths:
        raise UsageError("No file was sent; choose DICOM, NIfTI, PNG or JPEG files, or a zip of them.")
    if len(paths) > limits.files:
        rule = f"{len(paths):,} files were sent, above {limits.files:,}"
        raise InputError(Reason.TOO_LARGE, f"{rule}; send them as one zip, or fewer of them")
    size = sum(path.stat().st_size for path in paths)
    if size > limits.stored:
        raise InputError(Reason.TOO_LARGE, f"{size:,} bytes were sent, above {limits.stored:,}; send fewer files")
    seen: Counter[str] = Counter()
    for path in paths:
        name = safe_name(path.name)
        seen[name] += 1
        place = folder if seen[name] == 1 else folder / str(seen[name])
        with using_temporary_folder(folder, size):
            place.mkdir(parents=True, exist_ok=True)
            _link_or_copy(path, place / name)
    return size


def safe_name(name: str) -> str:
    r"""Return the last part of a name as a file may be called here: no folder, not hidden, not long.

    >>> safe_name("../../etc/passwd"), safe_name(".hidden"), safe_name("C:\\scans\\1.dcm")
    ('passwd', 'hidden', '1.dcm')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = _UNSAFE.sub("_", last.encode("utf-8", "replace").decode()).lstrip(". ") or "file"
    # The end is what says .nii.gz; bytes count, and a Chinese character has three.
    while len(plain.encode()) > _LONGEST:
        plain = plain[1:]
    return plain.lstrip(". ") or "file"


def _read(task: FolderTask, limits: UploadLimits, progress: Progress, stopped: Callable[[], bool]) -> _Reading:
    reading, total = _Reading(), None
    progress("check", 0, None)
    for step in decode_folder(task, limits.studies, stopped):
        total = total or len(step.found) or len(step.studies)
        reading.studies += step.studies
        reading.skipped += step.skipped
        for study in step.studies:
            reading.skipped += study.skipped
        progress("read", len(reading.studies), total)
    return reading


def _forget_folder(study: Study, folder: Path) -> Study:
    """Call a study an upload, and its files as they were sent: the folder they were read from is about to go."""
    paths = tuple(_without(path, folder) for path in study.paths)
    return replace(study, is_upload=True, paths=paths, skipped=tuple(_shown(line, folder) for line in study.skipped))


def _shown(line: Skipped, folder: Path) -> Skipped:
    return Skipped(_without(line.path, folder), line.reason_code, _without(line.message, folder))


def _as_sent(error: InputError, folder: Path) -> InputError:
    lines = tuple((_without(path, folder), reason, _without(message, folder)) for path, reason, message in error.lines)
    return InputError(error.reason, _without(str(error), folder), path=_without(error.path, folder), lines=lines)


def _without(text: str, folder: Path) -> str:
    """Return text without the folder, which says nothing to whoever sent the files and much about this machine."""
    return re.sub(rf"{re.escape(str(folder))}(/(sent|unpacked/radseek-[^/]*(/\d+)?))?/?", "", text)


def _nothing(skipped: tuple[Skipped, ...]) -> InputError:
    """Return the error of an upload of which nothing can be used."""
    if not skipped:
        return InputError(Reason.NO_PIXELS, "The upload holds no image; send DICOM, NIfTI, PNG or JPEG files.")
    reason, count = Counter(line.reason_code for line in skipped).most_common(1)[0]
    example = next(line for line in skipped if line.reason_code == reason)
    lines = tuple((line.path, line.reason_code, line.message) for line in skipped)
    if len(skipped) == 1:
        return InputError(reason, example.message, path=example.path, lines=lines)
    message = f"None of {len(skipped)} files can be used, {count} for `{reason}`, such as {example.message}"
    return InputError(reason, message, path=example.path, lines=lines)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _silent(_stage: str, _done: int, _total: int | None) -> None:
    """Nobody asked how far the reading is."""
