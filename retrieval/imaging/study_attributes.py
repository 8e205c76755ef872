"""What a study says about its patient and its day, collected from its series. In memory only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from radseek.retrieval.types import Series

__all__ = ["describe_study"]

_KEYWORDS: Final = (
    "PatientSex", "PatientAge", "StudyDate", "StudyDescription", "Manufacturer", "ManufacturerModelName",
    "InstitutionName",
)  # fmt: skip


def describe_study(series: Sequence[Series]) -> dict[str, str]:
    """Return the study-level DICOM keywords that any of its series fills, the first that does.

    `PatientAge` is the tag's, else counted from birth date to study date, as DICOM writes it ("045Y").
    """
    found = {key: _first(series, key) for key in _KEYWORDS}
    found["PatientAge"] = found["PatientAge"] or _age(_first(series, "PatientBirthDate"), found["StudyDate"])
    return {key: value for key, value in found.items() if value}


def _first(series: Sequence[Series], keyword: str) -> str:
    return next((one.attributes[keyword] for one in series if one.attributes.get(keyword)), "")


def _age(born: str, studied: str) -> str:
    birth, day = _date(born), _date(studied)
    if birth is None or day is None or not birth <= day:
        return ""
    years = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return f"{years:03d}Y" if years <= 150 else ""


def _date(text: str) -> date | None:
    digits = text.replace("-", "").replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) >= 8 else None
    except ValueError:
        return None
