"""The DICOM files of one study to Series, with a reason for every file that is not used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import admit_dicom
from radseek.retrieval.imaging.dicom.dicom_header import read_header
from radseek.retrieval.imaging.dicom.dicom_volume import Failures, load_stack
from radseek.retrieval.imaging.dicom.duplicate_pixels import Loaded, without_twins
from radseek.retrieval.imaging.dicom.frames import Frame, frames_of
from radseek.retrieval.imaging.dicom.header_values import as_text, order_number, value_of
from radseek.retrieval.imaging.dicom.instance_copies import copies_among, with_shared_uid
from radseek.retrieval.imaging.dicom.object_kind import modality_doubt, refuse_non_image
from radseek.retrieval.imaging.dicom.stacks import Stack, stack_frames
from radseek.retrieval.imaging.reading_errors import as_skipped, input_errors
from radseek.retrieval.types import Series, Skipped

__all__ = ["read_dicom_series"]


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    path: Path
    series: str
    number: int  # SeriesNumber, 0 where it is absent
    sop: str
    frames: tuple[Frame, ...]


def read_dicom_series(files: Iterable[Path], modality: str = "") -> tuple[list[Series], list[Skipped]]:
    """Read one study's DICOM files, in any order. `modality`: what is meant where Modality cannot be right.

    Returns the Series, by SeriesNumber and UID, and one Skipped for every file that none of them uses. A file whose
    frames repeat positions of a set that is read counts as used: Provenance names the set and counts what is left out.
    Nothing about a bad file is raised.
    """
    skipped: list[Skipped] = []
    opened = [_open(Path(path), skipped, modality) for path in sorted({str(file) for file in files})]
    kept, copies = _without_copies([file for file in opened if file is not None])
    loaded: list[Loaded] = []
    for uid, members in _by_series(kept):
        loaded += _read_one(uid, members, skipped)
    series, twins = without_twins(loaded)
    lines = (*skipped, *twins, *copies)
    return series, sorted(lines, key=lambda line: line.path)


def _open(path: Path, skipped: list[Skipped], modality: str) -> _File | None:
    try:
        header = read_header(path)
        with input_errors(path, "header"):
            if modality and modality_doubt(header):
                header.Modality = modality
            refuse_non_image(header, path)
            admit_dicom(header, path)
            frames = tuple(frames_of(header, path))
            number, _ = order_number(value_of(header, "SeriesNumber"))
            uid, sop = (as_text(value_of(header, keyword)) for keyword in ("SeriesInstanceUID", "SOPInstanceUID"))
            return _File(path, uid, number, sop, frames)
    except InputError as error:
        skipped.append(as_skipped(error, path))
        return None


def _without_copies(files: Sequence[_File]) -> tuple[list[_File], list[Skipped]]:
    """The files that copy no earlier one, and a line for each that does: the same UID, pixels and place."""
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(file.sop or str(file.path), []).append(file)
    kept: list[_File] = []
    lines: list[Skipped] = []
    for group in groups.values():
        copies = copies_among([(file.path, file.frames) for file in group]) if len(group) > 1 else {}
        own = [file for file in group if file.path not in copies]
        if len(own) > 1:
            own = [replace(file, frames=with_shared_uid(file.frames, len(own))) for file in own]
        kept += own
        lines += [_copy_line(path, first) for path, first in copies.items()]
    return sorted(kept, key=lambda file: str(file.path)), lines


def _copy_line(path: Path, first: Path) -> Skipped:
    message = f"{path.name}: the same SOPInstanceUID, pixels and place as {first.name}; remove one of them"
    return Skipped(str(path), Reason.DUPLICATE, message)


def _by_series(files: Sequence[_File]) -> list[tuple[str, list[_File]]]:
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(file.series, []).append(file)
    return sorted(groups.items(), key=lambda item: (item[1][0].number, item[0]))


def _read_one(uid: str, files: Sequence[_File], skipped: list[Skipped]) -> list[Loaded]:
    """Read one series; files that fail to decode are left out, and the rest is stacked again."""
    remaining = list(files)
    while remaining:
        try:
            with input_errors(remaining[0].path, "header"):
                stacks, irregular = stack_frames([frame for file in remaining for frame in file.frames])
            loaded, failed = _load_all(stacks, uid)
        except InputError as error:
            failed = _unstackable(remaining) or {file.path: error for file in remaining}
        if not failed:
            _refuse_irregular(stacks, irregular, skipped)
            return loaded
        skipped += [as_skipped(error, path) for path, error in failed.items()]
        remaining = [file for file in remaining if file.path not in failed]
    return []


def _unstackable(files: Sequence[_File]) -> dict[Path, InputError]:
    """Of files that cannot be stacked together, those that cannot be alone: without them the others are tried again."""
    failed: dict[Path, InputError] = {}
    for file in files:
        try:
            with input_errors(file.path, "header"):
                stack_frames(file.frames)
        except InputError as error:
            failed[file.path] = error
    return failed


def _load_all(stacks: Sequence[Stack], uid: str) -> tuple[list[Loaded], dict[Path, InputError]]:
    loaded: list[Loaded] = []
    failed: dict[Path, InputError] = {}
    for number, stack in enumerate(stacks, start=1):
        try:
            loaded.append((load_stack(stack, uid if number == 1 else f"{uid}#{number}"), stack))
        except Failures as failures:
            failed.update(failures.errors)
        except InputError as error:
            failed.update(_failing_alone(stack) or {frame.path: error for frame in stack.frames})
    return loaded, failed


def _failing_alone(stack: Stack) -> dict[Path, InputError]:
    """Of a stack that fails as a whole, the files that fail alone, too: a value of the first speaks for all."""
    failed: dict[Path, InputError] = {}
    for path in dict.fromkeys(frame.path for frame in stack.frames):
        try:
            load_stack(replace(stack, frames=tuple(one for one in stack.frames if one.path == path)), "")
        except Failures as failures:
            failed.update(failures.errors)
        except InputError as error:
            failed[path] = error
    return failed


def _refuse_irregular(stacks: Sequence[Stack], irregular: Sequence[Frame], skipped: list[Skipped]) -> None:
    used = {frame.path for stack in stacks for frame in stack.frames}
    for path in dict.fromkeys(frame.path for frame in irregular if frame.path not in used):
        message = f"{path.name}: its series has no regular distance between slices; export it as one reconstruction"
        skipped.append(Skipped(str(path), Reason.MIXED_GEOMETRY, message))
