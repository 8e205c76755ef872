"""The modalities that are read, and the view that each shows where it has just one."""

from __future__ import annotations

from typing import Final

from radseek.retrieval.errors import UnknownNameError

__all__ = ["MODALITIES", "VIEW_OF_MODALITY", "named_modality"]

# Modalities with one view whose name follows from the modality alone; CT has several, MR one a sequence.
VIEW_OF_MODALITY: Final[dict[str, str]] = {
    "CR": "radiograph", "DX": "radiograph", "RG": "radiograph", "RF": "radiograph", "IO": "radiograph",
    "PX": "radiograph", "MG": "mammogram", "XA": "angiogram", "PT": "pet", "NM": "nm", "US": "ultrasound",
    "IVUS": "ultrasound", "SC": "capture", "OT": "capture",
}  # fmt: skip
MODALITIES: Final = ("CT", "MR", *VIEW_OF_MODALITY)


def named_modality(name: str | None) -> str:
    """Return a modality that a user named, as DICOM writes it; "" for None or an empty name.

    Raises:
        UnknownNameError: not one that is read; names those that are.
    """
    code = (name or "").strip().upper()
    if code and code not in MODALITIES:
        raise UnknownNameError(f"modality {name!r} is none of those that are read: {', '.join(MODALITIES)}")
    return code
