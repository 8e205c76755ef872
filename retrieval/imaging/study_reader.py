"""The single way from a path to a Study: DICOM, NIfTI or picture, in a file, a folder, a DICOMDIR or a zip."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from radseek.retrieval.errors import InputError, RadseekError, Reason, UsageError
from radseek.retrieval.imaging.body_part import body_part
from radseek.retrieval.imaging.content_hash import content_hash
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.mr_sequence import mr_view
from radseek.retrieval.imaging.nifti.nifti_series import read_nifti
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.reading_errors import last_catch, unforeseen
from radseek.retrieval.imaging.scan import FileHeader, group_key, scan
from radseek.retrieval.imaging.stated_kind import UNSTATED, StatedKind, stated_kind
from radseek.retrieval.imaging.study_attributes import describe_study
from radseek.retrieval.imaging.zip_members import on_disk, unpacking_folder
from radseek.retrieval.types import Series, Skipped, Study
from radseek.retrieval.workers import call_apart

__all__ = [
    "Apart",
    "be_ready",
    "read_apart",
    "read_files",
    "read_files_apart",
    "read_paths",
    "read_study",
    "start_readers",
]


@dataclass(frozen=True, slots=True)
class Apart:
    """What a worker is to read: the one study at a path, or the study of some files, as paths or headers."""

    what: str | Path | tuple[str, ...] | tuple[FileHeader, ...]
    stated: StatedKind
    scratch: Path  # where it unpacks, so that nothing stays behind where it dies


def read_study(
    path: str | Path, *, modality: str | None = None, body_part: str | None = None, isolated: bool = False
) -> Study:
    """Return the one study at a path: DICOM, NIfTI or a picture, in a file, a folder, a DICOMDIR or a zip.

    Args:
        path: a file or folder.
        modality: "CT", "DX", ...: what NIfTI files and pictures cannot name; of DICOM only where its own is missing, or
            is not that of its class (CT exported as NM).
        body_part: "head", "chest", ...: for series of which no file says it.
        isolated: read in a worker process under a memory and a time limit, as the command and the server do; the
            worker is kept for the next.

    Returns:
        The study, its volumes `(Z, Y, X)` display-oriented; everything under the path that is no part of it is in
        `Study.skipped`, with its reason.

    Raises:
        UsageError: the path does not exist, is empty, or holds several studies.
        InputError: nothing there can be read; carries the commonest reason.
        UnknownNameError: no such modality or body part.
        WorkerError: isolated, and no worker can be started.
    """
    stated = stated_kind(modality, body_part)
    return _in_worker(path, stated) if isolated else _read_here(path, stated)


def read_paths(paths: Sequence[str], stated: StatedKind = UNSTATED) -> Study:
    """Read files that are one study, in a worker process as `read_study` does with `isolated`.

    Raises `InputError` where none of them can be read, `UsageError` for none that is there.
    """
    return _in_worker(tuple(paths), stated)


def start_readers(count: int) -> None:
    """Start so many of the processes that `read_paths` reads in, so that the first studies do not wait for it.

    Raises `WorkerError` where none can be started.
    """
    with ThreadPoolExecutor(count) as pool:
        started = [pool.submit(call_apart, f"{__name__}:be_ready", ("chest", "t1")) for _ in range(count)]
        for one in started:
            one.result()


def be_ready(words: tuple[str, str]) -> None:
    """Load the tables of words that series are named by; called in a worker."""
    part, sequence = words
    body_part(part)
    mr_view(sequence, {})


def read_files_apart(headers: Sequence[FileHeader], stated: StatedKind = UNSTATED) -> Study:
    """Do what `read_files` does in a worker process, as `read_study` does with `isolated`."""
    return _in_worker(tuple(headers), stated)


def read_apart(task: Apart) -> Study:
    """Do what an `Apart` says; called in a worker."""
    tempfile.tempdir = str(task.scratch)
    if not isinstance(task.what, tuple):
        return _read_here(task.what, task.stated)
    headers: list[FileHeader] = []
    for one in task.what:
        headers += [one] if isinstance(one, FileHeader) else [h for h in scan(one) if isinstance(h, FileHeader)]
    return read_files(headers, task.stated)


def _in_worker(what: str | Path | tuple[str, ...] | tuple[FileHeader, ...], stated: StatedKind) -> Study:
    with unpacking_folder() as scratch:
        study: Study = call_apart("radseek.retrieval.imaging.study_reader:read_apart", Apart(what, stated, scratch))
    return study


def _read_here(path: str | Path, stated: StatedKind) -> Study:
    headers: list[FileHeader] = []
    skipped: list[Skipped] = []
    for found in scan(path):
        (skipped if isinstance(found, Skipped) else headers).append(found)  # type: ignore[arg-type]
    studies = Counter(group_key(header) for header in headers)
    if len(studies) > 1:
        raise UsageError(
            f"{path} holds {len(studies)} studies, read_study reads one; give one of them "
            f"({_first_of_each(headers)}), or build an index of all"
        )
    if headers:
        study = read_files(headers, stated)
        return replace(study, skipped=(*skipped, *study.skipped))
    if skipped:
        raise _nothing(skipped, str(path))
    raise UsageError(f"{path} is empty; give a file or folder with DICOM, NIfTI, PNG or JPEG")


def read_files(headers: Sequence[FileHeader], stated: StatedKind = UNSTATED) -> Study:
    """Read the files of one study, as `scan` found them, in any order; `stated` is for what they do not say.

    Raises:
        UsageError: no headers were given.
        InputError: none of the files can be read; carries the commonest reason.
    """
    if not headers:
        raise UsageError("no files were given; scan a path first")
    ordered = sorted(headers, key=lambda header: header.path)
    first = ordered[0]
    with last_catch(first.path), on_disk([header.path for header in ordered]) as found:
        series, skipped = _read(ordered, found, stated)
        if not series:
            raise _nothing(skipped, first.path)
        digest = content_hash(list(found.values()))
        attributes = describe_study(series)
    return Study(
        uid=first.study_uid,
        content_hash=digest,
        paths=tuple(header.path for header in ordered),
        series=tuple(series),
        skipped=tuple(skipped),
        patient_id=first.patient_id,
        accession=first.accession,
        attributes=attributes,
    )


def _read(
    headers: Sequence[FileHeader], found: Mapping[str, Path], stated: StatedKind
) -> tuple[list[Series], list[Skipped]]:
    series: list[Series] = []
    skipped: list[Skipped] = []
    dicom = {str(found[header.path]): header.path for header in headers if header.kind == "dicom"}
    if dicom:
        read, lost = _read_dicom([Path(path) for path in dicom], stated.modality)
        series += [replace(one, modality=one.modality or stated.modality) for one in read]
        # A member of a zip was read from a temporary file; name it as the user knows it.
        skipped += [replace(line, path=dicom.get(line.path, line.path)) for line in lost]
    for header in headers:
        if header.kind == "dicom":
            continue
        reader = read_nifti if header.kind == "nifti" else read_picture
        try:
            with last_catch(header.path):
                series.append(reader(found[header.path], stated.modality))
        except InputError as error:
            skipped.append(Skipped(header.path, error.reason, str(error)))
    return [replace(one, body_part=one.body_part or stated.body_part) for one in series], skipped


def _read_dicom(files: list[Path], modality: str) -> tuple[list[Series], list[Skipped]]:
    """The DICOM files of a study; where something unforeseen ends that, without those that it ends alone, too."""
    try:
        return read_dicom_series(files, modality)
    except RadseekError:
        raise
    except Exception as error:
        if len(files) == 1:
            raise unforeseen(error, files[0]) from error
    lines: list[Skipped] = []
    good: list[Path] = []
    for file in files:
        try:
            with last_catch(file):
                read_dicom_series([file], modality)
            good.append(file)
        except InputError as error:
            lines.append(Skipped(str(file), error.reason, str(error)))
    if not good:
        return [], lines
    with last_catch(good[0]):
        read, lost = read_dicom_series(good, modality)
    return read, [*lines, *lost]


def _nothing(skipped: Sequence[Skipped], path: str) -> InputError:
    """The error for a study or path of which nothing could be used: the commonest reason, and one example."""
    counts: Counter[Reason] = Counter(line.reason_code for line in skipped)
    if not counts:
        return InputError(Reason.NO_PIXELS, f"{path}: holds no image; leave it out", path=path)
    reason, count = counts.most_common(1)[0]
    example = next(line for line in skipped if line.reason_code == reason)
    if len(skipped) == 1:
        return InputError(reason, example.message, path=example.path)
    message = f"{path}: none of {len(skipped)} files can be used, {count} for `{reason}`, such as {example.message}"
    lines = tuple((line.path, line.reason_code, line.message) for line in skipped)
    return InputError(reason, message, path=path, lines=lines)


def _first_of_each(headers: Sequence[FileHeader], count: int = 3) -> str:
    firsts: dict[str, str] = {}
    for header in headers:
        firsts.setdefault(group_key(header), header.path)
    shown = [Path(path).name for path in list(firsts.values())[:count]]
    return ", ".join(shown) + (", ..." if len(firsts) > count else "")
