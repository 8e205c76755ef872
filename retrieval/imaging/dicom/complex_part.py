"""Which part of a complex MR image a frame shows: magnitude, phase, real or imaginary.

In the words of (0008,9208) Complex Image Component (PS3.3 C.8.13.3.1.2), also where scanners say it elsewhere:
ImageType (Siemens, Philips, UIH, Canon), (0043,102F) of GE, (2005,1011) of Philips. Where two marks differ, the
one that is not magnitude counts: Philips writes M into ImageType of real images.
"""

from __future__ import annotations

from typing import Any, Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, private_value, value_of

__all__ = ["PARTS", "complex_part", "part_in_type"]

PARTS: Final = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")  # in the order in which they are preferred
_LETTERS: Final = {"M": "MAGNITUDE", "P": "PHASE", "R": "REAL", "I": "IMAGINARY"}
_WORDS: Final = {
    **_LETTERS, "MAG": "MAGNITUDE", "MAGNITUDE": "MAGNITUDE", "PHASE": "PHASE", "PHASE MAP": "PHASE",
    "PHASEMAP": "PHASE", "REAL": "REAL", "IMAG": "IMAGINARY", "IMAGINARY": "IMAGINARY",
}  # fmt: skip
_GE: Final = dict(enumerate(PARTS))


def complex_part(header: Dataset, component: Any, image_type: str) -> str:
    """Return one of PARTS, "" where nothing says it.

    `component` is Complex Image Component and `image_type` the ImageType or FrameType that hold for the frame.
    """
    said = (
        _WORDS.get(as_text(component).upper(), ""),
        part_in_type(image_type),
        _ge(header),
        _LETTERS.get(as_text(private_value(header, 0x2005, 0x11, "Philips MR Imaging DD 001", "Philips")).upper(), ""),
    )
    marks = [part for part in said if part]
    return next((part for part in marks if part != "MAGNITUDE"), marks[0] if marks else "")


def part_in_type(image_type: str) -> str:
    r"""Return the part that an ImageType names from its third value on, "" where it names none.

    >>> part_in_type(r"ORIGINAL\PRIMARY\P\ND"), part_in_type(r"ORIGINAL\PRIMARY\R_FFE"), part_in_type("DERIVED")
    ('PHASE', 'REAL', '')
    """
    for value in image_type.upper().split("\\")[2:]:
        part = _WORDS.get(value.strip()) or _LETTERS.get(value.strip().split("_")[0])
        if part:
            return part
    return ""


def _ge(header: Dataset) -> str:
    number = as_number(private_value(header, 0x0043, 0x2F, "GEMS_PARM_01", "GE"))
    return "" if number is None or value_of(header, "Modality") != "MR" else _GE.get(int(number), "")
