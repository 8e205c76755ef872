"""DICOMDIR, the index on a DICOM disc: recognised, and compared with what is really there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import MediaStorageDirectoryStorage

__all__ = ["is_dicomdir", "missing_references"]

_MAX_RECORDS: Final = 100_000


def is_dicomdir(dataset: Dataset) -> bool:
    """Whether a header is that of a DICOMDIR (PS3.3 Annex F)."""
    meta = getattr(dataset, "file_meta", None)
    named = meta is not None and meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    return bool(named or "DirectoryRecordSequence" in dataset)


def missing_references(dataset: Dataset, folder: Path) -> list[str]:
    """Return the files that the records name and that are not under `folder`, as relative paths."""
    missing = []
    for record in list(dataset.get("DirectoryRecordSequence") or ())[:_MAX_RECORDS]:
        named = record.get("ReferencedFileID")
        if not named:
            continue
        parts = [str(part) for part in named] if isinstance(named, MultiValue | list) else [str(named)]
        if not _is_there(folder, parts):
            missing.append("/".join(parts))
    return missing


def _is_there(folder: Path, parts: list[str]) -> bool:
    # Discs are written in capitals and often copied in small letters. A part never leaves the folder.
    if any(part in ("", ".", "..") or "/" in part or "\\" in part for part in parts):
        return False
    whole = folder.joinpath(*parts)
    return whole.is_file() or folder.joinpath(*(part.lower() for part in parts)).is_file()
