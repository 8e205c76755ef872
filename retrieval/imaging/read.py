"""The single way from a path to a Study: DICOM, NIfTI or picture, in a file, a folder, a DICOMDIR or a zip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retrieval.errors import InputError, Reason, UsageError
from retrieval.imaging.archive import on_disk
from retrieval.imaging.content import content_hash
from retrieval.imaging.dicom import read_dicom_series
from retrieval.imaging.modality import named_modality
from retrieval.imaging.nifti import read_nifti
from retrieval.imaging.picture import read_picture
from retrieval.imaging.scan import FileHeader, group_key, scan
from retrieval.imaging.study_attributes import describe_study
from retrieval.types import Series, Skipped, Study

__all__ = ["read_files", "read_study"]


def read_study(path: str | Path, *, modality: str | None = None) -> Study:
    """Read the one study at a path. `modality` ("CT", "DX", ...) names what NIfTI files and pictures cannot.

    Everything under the path that is not part of the study is in `Study.skipped`, with its reason.

    Raises:
        UsageError: the path does not exist, is empty, or holds several studies.
        InputError: nothing there can be read; carries the commonest reason.
        UnknownNameError: no such modality.
    """
    named_modality(modality)
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
        study = read_files(headers, modality=modality)
        return replace(study, skipped=(*skipped, *study.skipped))
    if skipped:
        raise _nothing(skipped, str(path))
    raise UsageError(f"{path} is empty; give a file or folder with DICOM, NIfTI, PNG or JPEG")


def read_files(headers: Sequence[FileHeader], *, modality: str | None = None) -> Study:
    """Read the files of one study, as `scan` found them, in any order.

    Raises:
        UsageError: no headers were given.
        InputError: none of the files can be read; carries the commonest reason.
    """
    if not headers:
        raise UsageError("no files were given; scan a path first")
    named = named_modality(modality)
    ordered = sorted(headers, key=lambda header: header.path)
    with on_disk([header.path for header in ordered]) as found:
        series, skipped = _read(ordered, found, named)
        if not series:
            raise _nothing(skipped, ordered[0].path)
        digest = content_hash(list(found.values()))
    first = ordered[0]
    return Study(
        uid=first.study_uid,
        content_hash=digest,
        paths=tuple(header.path for header in ordered),
        series=tuple(series),
        skipped=tuple(skipped),
        patient_id=first.patient_id,
        accession=first.accession,
        attributes=describe_study(series),
    )


def _read(
    headers: Sequence[FileHeader], found: Mapping[str, Path], modality: str
) -> tuple[list[Series], list[Skipped]]:
    series: list[Series] = []
    skipped: list[Skipped] = []
    dicom = {str(found[header.path]): header.path for header in headers if header.kind == "dicom"}
    if dicom:
        read, lost = read_dicom_series([Path(path) for path in dicom])
        series += [replace(one, modality=one.modality or modality) for one in read]
        # A member of a zip was read from a temporary file; name it as the user knows it.
        skipped += [replace(line, path=dicom.get(line.path, line.path)) for line in lost]
    for header in headers:
        if header.kind == "dicom":
            continue
        reader = read_nifti if header.kind == "nifti" else read_picture
        try:
            series.append(reader(found[header.path], modality))
        except InputError as error:
            skipped.append(Skipped(header.path, error.reason, str(error)))
    return series, skipped


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
