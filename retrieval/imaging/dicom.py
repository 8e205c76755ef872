"""The DICOM files of one study to Series, with a reason for every file that is not used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import InputError, Reason
from retrieval.imaging.dicom_errors import as_skipped, input_errors
from retrieval.imaging.dicom_frames import Frame, frames_of
from retrieval.imaging.dicom_header import read_header
from retrieval.imaging.dicom_kind import refuse_non_image
from retrieval.imaging.dicom_stack import Stack, stack_frames
from retrieval.imaging.dicom_twins import Loaded, without_twins
from retrieval.imaging.dicom_volume import Failures, load_stack
from retrieval.imaging.gate import admit_dicom
from retrieval.types import Series, Skipped

__all__ = ["read_dicom_series"]


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    path: Path
    series: str
    number: int  # SeriesNumber, 0 where it is absent
    sop: str
    frames: tuple[Frame, ...]


_Copies = dict[str, list[_File]]


def read_dicom_series(files: Iterable[Path]) -> tuple[list[Series], list[Skipped]]:
    """Read one study's DICOM files, in any order.

    Returns the Series, by SeriesNumber and UID, and one Skipped for every file that none of them uses. A file
    whose frames repeat positions of an earlier time point counts as used: Provenance names the time point.
    Nothing about a bad file is raised.
    """
    skipped: list[Skipped] = []
    opened = [_open(Path(path), skipped) for path in sorted({str(file) for file in files})]
    kept, copies = _without_copies([file for file in opened if file is not None])
    loaded: list[Loaded] = []
    for uid, members in _by_series(kept):
        loaded += _read_one(uid, members, copies, skipped)
    series, twins = without_twins(loaded)
    lines = (*skipped, *twins, *_copy_lines(copies))
    return series, sorted(lines, key=lambda line: line.path)


def _open(path: Path, skipped: list[Skipped]) -> _File | None:
    try:
        header = read_header(path)
        with input_errors(path, "header"):
            refuse_non_image(header, path)
            admit_dicom(header, path)
            frames = tuple(frames_of(header, path))
            number = int(header.get("SeriesNumber") or 0)
            uid, sop = str(header.get("SeriesInstanceUID") or ""), str(header.get("SOPInstanceUID") or "")
            return _File(path, uid, number, sop, frames)
    except InputError as error:
        skipped.append(as_skipped(error, path))
        return None


def _without_copies(files: Sequence[_File]) -> tuple[list[_File], _Copies]:
    """The first file of each SOPInstanceUID, and the later ones, kept at hand in case the first is broken."""
    firsts: dict[str, _File] = {}
    copies: _Copies = {}
    for file in files:
        first = firsts.setdefault(file.sop or str(file.path), file)
        if first is not file:
            copies.setdefault(file.sop, []).append(file)
    return list(firsts.values()), copies


def _copy_lines(copies: _Copies) -> list[Skipped]:
    return [
        Skipped(
            str(file.path),
            Reason.DUPLICATE,
            f"{file.path.name}: another file has the same SOPInstanceUID; remove one of them",
        )
        for spare in copies.values()
        for file in spare
    ]


def _by_series(files: Sequence[_File]) -> list[tuple[str, list[_File]]]:
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(file.series, []).append(file)
    return sorted(groups.items(), key=lambda item: (item[1][0].number, item[0]))


def _read_one(uid: str, files: Sequence[_File], copies: _Copies, skipped: list[Skipped]) -> list[Loaded]:
    """Read one series; files that fail to decode give way to a copy, if there is one, and the rest is stacked again."""
    remaining = list(files)
    while remaining:
        try:
            with input_errors(remaining[0].path, "header"):
                stacks, irregular = stack_frames([frame for file in remaining for frame in file.frames])
        except InputError as error:
            skipped += [as_skipped(error, file.path) for file in remaining]
            return []
        loaded, failed = _load_all(stacks, uid)
        if not failed:
            _refuse_irregular(stacks, irregular, skipped)
            return loaded
        skipped += [as_skipped(error, path) for path, error in failed.items()]
        spares = [copies[file.sop].pop(0) for file in remaining if file.path in failed and copies.get(file.sop)]
        remaining = [file for file in remaining if file.path not in failed] + spares
    return []


def _load_all(stacks: Sequence[Stack], uid: str) -> tuple[list[Loaded], dict[Path, InputError]]:
    loaded: list[Loaded] = []
    failed: dict[Path, InputError] = {}
    for number, stack in enumerate(stacks, start=1):
        try:
            loaded.append((load_stack(stack, uid if number == 1 else f"{uid}#{number}"), stack))
        except Failures as failures:
            failed.update(failures.errors)
        except InputError as error:
            failed.update({frame.path: error for frame in stack.frames})
    return loaded, failed


def _refuse_irregular(stacks: Sequence[Stack], irregular: Sequence[Frame], skipped: list[Skipped]) -> None:
    used = {frame.path for stack in stacks for frame in stack.frames}
    for path in dict.fromkeys(frame.path for frame in irregular if frame.path not in used):
        message = f"{path.name}: its series has no regular distance between slices; export it as one reconstruction"
        skipped.append(Skipped(str(path), Reason.MIXED_GEOMETRY, message))
