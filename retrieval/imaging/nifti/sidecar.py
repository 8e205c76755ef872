"""What stands beside a NIfTI file: its BIDS JSON, and what its name and folder say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

__all__ = ["SIDECAR_SUFFIXES", "Sidecar", "is_companion", "nifti_stem", "read_sidecar"]

SIDECAR_SUFFIXES: Final = (".json", ".bval", ".bvec")
_MAX_BYTES: Final = 4 * 1024**2
_NIFTI_SUFFIXES: Final = (".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img")
# BIDS 1.10: file suffixes and folders that imply a modality, and the contrast each suffix names.
_SUFFIXES: Final = {
    "t1w": ("MR", "T1"), "t2w": ("MR", "T2"), "flair": ("MR", "FLAIR"), "pdw": ("MR", "PD"), "dwi": ("MR", "DWI"),
    "bold": ("MR", "BOLD"), "sbref": ("MR", ""), "swi": ("MR", "SWI"), "t2starw": ("MR", "T2*"), "asl": ("MR", "ASL"),
    "pet": ("PT", ""), "ct": ("CT", ""),
}  # fmt: skip
_FOLDERS: Final = {"anat": "MR", "func": "MR", "dwi": "MR", "fmap": "MR", "perf": "MR", "pet": "PT", "ct": "CT"}
_TEXTS: Final = (
    "SeriesDescription", "ProtocolName", "ProcedureStepDescription", "StudyDescription", "SequenceName",
    "PulseSequenceName", "ScanningSequence", "SequenceVariant", "BodyPartExamined", "Manufacturer",
    "ManufacturersModelName", "MagneticFieldStrength", "FlipAngle", "Units",
)  # fmt: skip
# BIDS and dcm2niix write seconds; DICOM, and so everything after this module, milliseconds.
_SECONDS: Final = ("RepetitionTime", "EchoTime", "InversionTime")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Modality ("" unknown), description, and DICOM keywords as text (times in milliseconds)."""

    modality: str = ""
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def nifti_stem(path: PurePath) -> str | None:
    """Return a NIfTI file's name without its suffixes, or None where the name is not a NIfTI's."""
    lowered = path.name.lower()
    suffix = next((suffix for suffix in _NIFTI_SUFFIXES if lowered.endswith(suffix)), None)
    return None if suffix is None else path.name[: -len(suffix)]


def read_sidecar(path: Path) -> Sidecar:
    """Return what the JSON beside a NIfTI file says, else what the BIDS name and folder imply.

    A sidecar that cannot be read is a warning, never an error: the image does not depend on it.
    """
    stem = nifti_stem(path)
    stem = path.stem if stem is None else stem
    loaded, warnings = _load(path.with_name(f"{stem}.json"))
    implied, contrast = _from_name(path, stem)
    attributes = {key: _text(loaded[key]) for key in _TEXTS if _text(loaded.get(key))}
    if "ManufacturersModelName" in attributes:
        attributes["ManufacturerModelName"] = attributes.pop("ManufacturersModelName")
    for key in _SECONDS:
        if isinstance(loaded.get(key), int | float):
            attributes[key] = f"{float(loaded[key]) * 1000:g}"
    described = " ".join(part for part in (attributes.get("SeriesDescription", ""), contrast) if part)
    return Sidecar(_text(loaded.get("Modality")).upper() or implied, described, attributes, warnings)


def _load(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        if not path.is_file():
            return {}, ()
        if path.stat().st_size > _MAX_BYTES:
            return {}, (f"sidecar_ignored: {path.name} is above {_MAX_BYTES:,} bytes",)
        loaded = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, (f"sidecar_ignored: {path.name} cannot be read ({type(error).__name__})",)
    if isinstance(loaded, dict):
        return loaded, ()
    return {}, (f"sidecar_ignored: {path.name} holds no JSON object",)


def _from_name(path: Path, stem: str) -> tuple[str, str]:
    named = _SUFFIXES.get(stem.rpartition("_")[2].lower()) if "_" in stem else None
    # A folder named "ct" alone is no BIDS; the entity "sub-" in the name makes it one.
    bids = stem.startswith("sub-")
    if named and (bids or named[1]):
        return named
    return (_FOLDERS.get(path.parent.name.lower(), "") if bids else ""), ""


def _text(value: object) -> str:
    if isinstance(value, list):
        return "\\".join(str(item) for item in value)[:256]
    return "" if value is None else str(value).strip()[:256]


def is_companion(name: str, beside: Callable[[str], bool]) -> bool:
    """Whether a file belongs to a NIfTI file beside it: a sidecar of the same stem, the `.img` of a `.hdr`.

    `beside` says whether a name stands in the same folder.
    """
    lowered = name.lower()
    if lowered.endswith((".img", ".img.gz")):
        stem = nifti_stem(Path(name))
        return any(beside(f"{stem}{suffix}") for suffix in (".hdr", ".HDR", ".hdr.gz"))
    suffix = next((suffix for suffix in SIDECAR_SUFFIXES if lowered.endswith(suffix)), None)
    if suffix is None:
        return False
    return any(beside(name[: -len(suffix)] + nifti) for nifti in _NIFTI_SUFFIXES)
