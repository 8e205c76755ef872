"""Find image files under a path and read their headers; no pixel is decoded.

What a file is, its first bytes say, not its name. Every file met comes out once: as a `FileHeader`, as a
`Skipped` with its reason, or as a silent part of a NIfTI beside it (.json, .bval, .bvec, the .img of a pair).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from zipfile import ZipFile, ZipInfo

from pydicom.dataset import Dataset

from radseek.retrieval.errors import InputError, Reason, UsageError
from radseek.retrieval.imaging.content_hash import content_hash
from radseek.retrieval.imaging.dicom.dicom_header import looks_like_dicom, read_header
from radseek.retrieval.imaging.dicom.dicomdir import is_dicomdir, missing_references
from radseek.retrieval.imaging.dicom.gzipped_file import gunzipped, holds_dicom, is_gzip, what_is
from radseek.retrieval.imaging.nifti.nifti_header import HEAD_BYTES, is_nifti, open_stream, read_nifti_header
from radseek.retrieval.imaging.nifti.sidecar import is_companion, nifti_stem
from radseek.retrieval.imaging.picture_file import is_picture
from radseek.retrieval.imaging.reading_errors import input_errors, last_catch
from radseek.retrieval.imaging.zip_members import (
    MEMBER_MARK,
    disk_name,
    is_zip,
    members,
    open_zip,
    split_member,
    unpack,
    unpacking_folder,
)
from radseek.retrieval.path_text import found_path
from radseek.retrieval.types import Skipped

__all__ = ["Candidate", "FileHeader", "candidates", "content_hash", "group_key", "look_at", "scan"]

_DICOM_SUFFIXES: Final = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True, slots=True)
class FileHeader:
    """One image file: where it is (`x.zip!/member` inside an archive), its kind, and whose it is.

    Identifiers are the original ones, "" where the file has none.
    """

    path: str
    kind: Literal["dicom", "nifti", "picture"]
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    patient_id: str = ""
    accession: str = ""


def group_key(header: FileHeader) -> str:
    """Return which study a file belongs to: its StudyInstanceUID, else its series, else the file alone."""
    if header.study_uid:
        return f"study:{header.study_uid}"
    return f"series:{header.series_uid}" if header.series_uid else f"file:{header.path}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to look at, not opened yet; of an archive, with `only`, the one member or folder in it."""

    path: Path
    only: str | None = None


def scan(path: str | Path) -> Iterator[FileHeader | Skipped]:
    """Yield what lies under a file, folder, DICOMDIR or zip, in path order, one file at a time.

    Raises:
        UsageError: the path does not exist (when the first item is asked for).
    """
    for one in candidates(path):
        if isinstance(one, Skipped):
            yield one
        else:
            yield from look_at(one)


def candidates(path: str | Path) -> Iterator[Candidate | Skipped]:
    """Yield the files under a path that may be images, in path order; none is opened. Raises as `scan`."""
    root = found_path(path)
    inside = split_member(root)
    if inside is not None:
        yield Candidate(*inside)
    elif root.is_dir():
        yield from _in_folder(root)
    elif root.exists():
        if root.name.upper() == "DICOMDIR" and looks_like_dicom(root):
            yield from _in_folder(root.parent)
        else:
            yield Candidate(root)
    else:
        raise UsageError(f"{root} does not exist; give a file or folder with DICOM, NIfTI, PNG or JPEG")


def look_at(candidate: Candidate) -> Iterator[FileHeader | Skipped]:
    """Yield what one file is, of an archive what its members are. Only `StorageError` is raised."""
    path = candidate.path
    if candidate.only is not None:
        yield from _scan_zip(path, candidate.only)
        return
    try:
        with last_catch(path):
            found = None if is_zip(_head(path)) else _header(path, str(path))
    except InputError as error:
        yield Skipped(str(path), error.reason, str(error))
        return
    if found is None:
        yield from _scan_zip(path)
    else:
        yield found


def _in_folder(folder: Path) -> Iterator[Candidate | Skipped]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(str(folder), Reason.BAD_HEADER, f"{folder.name}: cannot be listed ({error.strerror})")
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        if entry.name.startswith("."):
            yield Skipped(entry.path, Reason.NOT_AN_IMAGE, f"{entry.name}: hidden; rename it if it is an image")
        elif entry.is_dir(follow_symlinks=False):
            yield from _in_folder(Path(entry.path))
        elif entry.is_file():
            if not is_companion(entry.name, names.__contains__):
                yield Candidate(Path(entry.path))
        else:
            rule = f"{entry.name}: neither a file nor a folder of its own (a link, a socket); give its target"
            yield Skipped(entry.path, Reason.NOT_AN_IMAGE, rule)


def _scan_zip(path: Path, only: str | None = None) -> Iterator[FileHeader | Skipped]:
    try:
        with last_catch(path), open_zip(path) as archive, unpacking_folder() as folder:
            infos = members(archive, path)
            names = {info.filename for info in infos}
            for info in infos:
                if only and info.filename != only and not info.filename.startswith(f"{only}/"):
                    continue
                parent, slash, name = info.filename.rpartition("/")
                if is_companion(name, lambda other, at=parent + slash: at + other in names):  # type: ignore[misc]
                    continue
                yield _member(archive, info, path, folder / disk_name(name))
    except InputError as error:
        yield Skipped(str(path), error.reason, str(error))


def _member(archive: ZipFile, info: ZipInfo, path: Path, target: Path) -> FileHeader | Skipped:
    """Return what one member of an archive is; it is unpacked to `target` meanwhile."""
    shown = f"{path}{MEMBER_MARK}{info.filename}"
    try:
        with last_catch(shown):
            unpack(archive, info, target, path)
            if is_zip(_head(target)):
                rule = f"{shown}: an archive inside an archive; unpack the outer one"
                raise InputError(Reason.NOT_AN_IMAGE, rule)
            return _header(target, shown)
    except InputError as error:
        return Skipped(shown, error.reason, str(error))
    finally:
        target.unlink(missing_ok=True)


def _head(path: Path) -> bytes:
    """Return the first bytes of a file. Raises InputError where there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        rule = f"{path.name}: cannot be read ({error.strerror}); check its permissions"
        raise InputError(Reason.BAD_HEADER, rule, path=str(path)) from error
    if not head:
        raise InputError(Reason.TRUNCATED, f"{path.name}: is empty; copy it again", path=str(path))
    return head


def _header(path: Path, shown: str) -> FileHeader:
    """Return what one file is. Raises InputError with the reason why it is no image."""
    head = _head(path)
    if is_picture(head):
        return FileHeader(shown, "picture")
    if head[128:132] == b"DICM":
        return _dicom_header(path, shown)
    if _holds_nifti(path, head):
        return FileHeader(shown, "nifti")
    if holds_dicom(path):
        with gunzipped({shown: path}) as opened:
            return _dicom_header(opened[shown], shown)
    if nifti_stem(path) is not None:
        read_nifti_header(path)  # named like one: it knows best what is wrong
    if not looks_like_dicom(path):
        raise _no_image(path, gzipped=is_gzip(head))
    return _dicom_header(path, shown)


def _dicom_header(path: Path, shown: str) -> FileHeader:
    dataset = read_header(path)
    with input_errors(path, "header"):  # pydicom converts a value, and may refuse it, when it is first looked at
        return _of_header(dataset, path, shown)


def _of_header(dataset: Dataset, path: Path, shown: str) -> FileHeader:
    if is_dicomdir(dataset):
        missing = missing_references(dataset, path.parent)
        rule = f"{path.name}: an index; the files themselves are read"
        if missing:
            rule += f"; {len(missing)} that it names are not there: {', '.join(missing[:3])}"
        raise InputError(Reason.NOT_AN_IMAGE, rule, path=shown)
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", "AccessionNumber")
    return FileHeader(shown, "dicom", *(_text(dataset.get(keyword)) for keyword in keywords))


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _holds_nifti(path: Path, head: bytes) -> bool:
    if head[:2] != b"\x1f\x8b":
        return is_nifti(head)
    try:
        with open_stream(path) as stream:
            return is_nifti(stream.read(HEAD_BYTES))
    except (OSError, EOFError, zlib.error):
        return False


def _no_image(path: Path, *, gzipped: bool) -> InputError:
    if gzipped:
        rule = (
            f"{path.name}: a gzip file that holds {what_is(path)}, neither DICOM nor NIfTI; unpack it, or leave it out"
        )
        return InputError(Reason.NOT_AN_IMAGE, rule, path=str(path))
    if path.suffix.lower() in _DICOM_SUFFIXES:
        rule = f"{path.name}: named as DICOM, but no DICOM file; leave it out"
        return InputError(Reason.NOT_DICOM, rule, path=str(path))
    rule = f"{path.name}: neither DICOM, NIfTI, PNG nor JPEG; leave it out"
    return InputError(Reason.NOT_AN_IMAGE, rule, path=str(path))
