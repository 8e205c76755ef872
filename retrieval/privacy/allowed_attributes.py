"""The allow-list: which attributes of a study may enter a catalogue, and in what form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from radseek.retrieval.privacy.redaction import scrub

__all__ = ["OLDEST", "allow_list"]

OLDEST = 89  # years; a higher age could name a person, so it is left out
_LONGEST = 64  # characters of any text kept
_SEXES = {"M": "M", "F": "F", "O": "O", "MALE": "M", "FEMALE": "F", "OTHER": "O"}
_AGE = re.compile(r"\s*0*(\d{1,3})\s*([YMWD]?)\s*", re.IGNORECASE)
_PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}
_YEAR = re.compile(r"\s*((?:19|20)\d{2})(?:$|\D|\d{4})")
_SITE = re.compile(r"[A-Za-z0-9_-]{1,16}")


def allow_list(attributes: Mapping[str, str]) -> dict[str, str | int]:
    """Return what may be kept of a study's attributes, given as DICOM keywords or as our own lower-case names.

    Kept: `modality`, `body_part`, `sex` (M, F, O), `age` (whole years up to 89), `year` (of the study),
    `manufacturer`, `model`, `site` (a short opaque label that the user gave, never an institution's name) and
    `description` (scrubbed). Everything else, and every value that is not well formed, is left out.
    """
    kept: dict[str, str | int | None] = {
        "modality": _code(_first(attributes, "modality", "Modality")).upper(),
        "body_part": _code(_first(attributes, "body_part", "BodyPartExamined")).lower(),
        "sex": _SEXES.get(_first(attributes, "sex", "PatientSex").upper(), ""),
        "age": _age(_first(attributes, "age", "PatientAge")),
        "year": _year(_first(attributes, "year", "StudyDate")),
        "manufacturer": _text(_first(attributes, "manufacturer", "Manufacturer")),
        "model": _text(_first(attributes, "model", "ManufacturerModelName")),
        "site": _site(attributes.get("site", "")),
        "description": _text(_first(attributes, "description", "StudyDescription")),
    }
    return {name: value for name, value in kept.items() if value is not None and value != ""}


def _first(attributes: Mapping[str, str], *names: str) -> str:
    return next((str(attributes[n]).strip() for n in names if attributes.get(n)), "")


def _code(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z][A-Za-z _/-]{0,31}", value) else ""


@lru_cache(maxsize=2048)  # an archive has few makers, models and descriptions
def _text(value: str) -> str:
    return scrub(value)[:_LONGEST]


def _site(value: str) -> str:
    return value if _SITE.fullmatch(value) else ""


def _age(value: str) -> int | None:
    match = _AGE.fullmatch(value)
    if match is None:
        return None
    years = int(match[1]) // _PER_YEAR[match[2].upper()]
    return years if years <= OLDEST else None


def _year(value: str) -> int | None:
    match = _YEAR.match(value)
    return int(match[1]) if match else None
