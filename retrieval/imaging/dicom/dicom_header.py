"""Open one DICOM file safely: its header without pixels, or its pixels without the rest."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import admit_file, admit_inflated
from radseek.retrieval.imaging.reading_errors import input_errors

__all__ = ["DICOM_HEAD_BYTES", "looks_like_dicom", "read_header", "read_pixel_tags", "starts_as_dicom"]

_MAGIC_AT: Final = 128
DICOM_HEAD_BYTES: Final = _MAGIC_AT + 4  # enough to tell a DICOM file
# A file without the preamble starts with its first element: group 0002 or 0008, either byte order.
_FIRST_GROUPS: Final = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
_TELLING: Final = ("SOPClassUID", "StudyInstanceUID", "Modality", "Rows")
_META_GROUP: Final = b"\x02\x00"
_SYNTAX_ELEMENT: Final = b"\x10\x00"
_PIXEL_TAGS: Final = [
    tag_for_keyword(keyword) or 0
    for keyword in (
        "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation",
        "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths", "PixelData", "FloatPixelData", "DoubleFloatPixelData",
        *(f"{segmented}{colour}PaletteColorLookupTable{part}" for segmented in ("", "Segmented")
          for colour in ("Red", "Green", "Blue", "Alpha") for part in ("Descriptor", "Data")),
    )
    if tag_for_keyword(keyword)
]  # fmt: skip
# Value representations whose length takes four bytes (PS3.5 7.1.2).
_LONG_FORM: Final = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


def looks_like_dicom(path: Path) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without the 128-byte preamble."""
    try:
        with path.open("rb") as file:
            head = file.read(DICOM_HEAD_BYTES)
    except OSError:
        return False
    return starts_as_dicom(head)


def starts_as_dicom(head: bytes) -> bool:
    """Whether bytes are the first `DICOM_HEAD_BYTES` of a DICOM file, with or without the 128-byte preamble."""
    return head[_MAGIC_AT:DICOM_HEAD_BYTES] == b"DICM" or _first_element_fits(head)


def read_header(path: Path) -> FileDataset:
    """Return everything before the pixel data of one DICOM file.

    Raises InputError: `not_dicom`, `truncated`, `bad_header`, `too_large` (a deflated bomb, before it is inflated).
    """
    return _read(path, without_pixels=True)


def read_pixel_tags(path: Path) -> FileDataset:
    """Return only what decoding needs, the pixel data still compressed; not every tag.

    Raises InputError as `read_header` does.
    """
    return _read(path, without_pixels=False, only=_PIXEL_TAGS)


def _read(path: Path, *, without_pixels: bool, only: list[int] | None = None) -> FileDataset:
    with input_errors(path, "header"):
        admit_file(path)
        if not looks_like_dicom(path):
            raise _not_dicom(path)
        with path.open("rb") as file:
            bare = file.read(_MAGIC_AT + 4)[_MAGIC_AT:] != b"DICM"
            if not bare:
                syntax, start = _walk_meta(file)
                if syntax == DeflatedExplicitVRLittleEndian:
                    admit_inflated(path, start)
        dataset = dcmread(
            path, force=bare, stop_before_pixels=without_pixels, specific_tags=list(only) if only else None
        )
        _ensure_syntax(dataset)
        if bare and only is None and not any(keyword in dataset for keyword in _TELLING):
            raise _not_dicom(path)
        return dataset


def _walk_meta(file: BinaryIO) -> tuple[str, int]:
    """The transfer syntax, and the offset after the last element of group 0002.

    Walked element by element, because a group length may be missing or lie.
    """
    at, syntax = _MAGIC_AT + 4, ""
    while True:
        file.seek(at)
        head = file.read(12)
        if head[:2] != _META_GROUP:
            return syntax, at
        if head[4:6] in _LONG_FORM:
            at += 12 + int.from_bytes(head[8:12], "little")
            continue
        length = int.from_bytes(head[6:8], "little")
        if head[2:4] == _SYNTAX_ELEMENT:
            file.seek(at + 8)
            syntax = file.read(length).decode("ascii", "replace").strip("\0 ")
        at += 8 + length


def _ensure_syntax(dataset: FileDataset) -> None:
    """Name the transfer syntax that pydicom guessed, where the file does not."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        meta = dataset.file_meta = FileMetaDataset()
    if meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    if implicit:
        meta.TransferSyntaxUID = ImplicitVRLittleEndian
    else:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _first_element_fits(head: bytes) -> bool:
    """Whether bytes 4 to 8 are a value representation, or a short little-endian length."""
    if head[:2] not in _FIRST_GROUPS or len(head) < 12:
        return False
    return (head[4:6].isalpha() and head[4:6].isupper()) or int.from_bytes(head[4:8], "little") <= 64


def _not_dicom(path: Path) -> InputError:
    message = f"{path.name}: not a DICOM file (no DICM mark, no DICOM element first); leave it out"
    return InputError(Reason.NOT_DICOM, message, path=str(path))
