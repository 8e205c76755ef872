"""Which part of the body a DICOM series shows: what its codes say, else the first of its descriptions that tells."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.body_part import body_part, joined
from radseek.retrieval.imaging.dicom.frames import Frame, in_groups

__all__ = ["body_part_of"]

# (0008,0102) of SNOMED CT, and of SNOMED-RT and its forerunner, whose values are the same (PS3.16 8).
_SCHEMES: Final = frozenset({"SCT", "SRT", "SNM3", "99SDM", "SNOMED", "SNOMEDCT"})
_ANATOMY: Final = ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence")
# Descriptions from the series' own to the study's: what is nearest to the images decides.
_OF_SERIES: Final = ("BodyPartExamined", "SeriesDescription", "ProtocolName")
_STEP: Final = ("ScheduledProcedureStepDescription", "RequestedProcedureDescription")
_PROCEDURES: Final = ("ProcedureCodeSequence", "RequestedProcedureCodeSequence")


def body_part_of(frame: Frame, attributes: Mapping[str, str]) -> str:
    """Return the canonical body part of a series by its first frame and its `series_attributes`; "" where unknown.

    In this order: the codes of the anatomy (PS3.3 10.5), of each the value before the meaning; BodyPartExamined
    (PS3.16 Annex L, or whatever was typed there); the texts of series, step and study; the procedure's meaning.
    """
    header = frame.header
    for keyword in _ANATOMY:
        items = [*_items(in_groups(frame.groups, "FrameAnatomySequence", keyword)), *_items(header.get(keyword))]
        coded = joined(_coded(item) for item in items)
        found = coded or body_part(*(_text(item, "CodeMeaning") for item in items))
        if found:
            return found
    series = (attributes.get(keyword, "") for keyword in _OF_SERIES)
    return body_part(*series, *_step(header), attributes.get("StudyDescription", ""), *_procedure(header))


def _step(header: Dataset) -> Iterator[str]:
    yield _text(header, "PerformedProcedureStepDescription")
    for item in _items(header.get("RequestAttributesSequence")):
        yield from (_text(item, keyword) for keyword in _STEP)


def _procedure(header: Dataset) -> Iterator[str]:
    yield _text(header, "RequestedProcedureDescription")
    for keyword in _PROCEDURES:
        for item in _items(header.get(keyword)):
            yield _text(item, "CodeMeaning")


def _coded(item: Dataset) -> str:
    scheme = _text(item, "CodingSchemeDesignator").upper()
    value = _text(item, "CodeValue") or _text(item, "LongCodeValue")
    return _codes().get(value.upper(), "") if scheme in _SCHEMES else ""


@cache
def _codes() -> Mapping[str, str]:
    table = tomllib.loads((files("radseek.retrieval.imaging.dicom") / "anatomy_codes.toml").read_text(encoding="utf-8"))
    return {str(code): part for part, codes in table.items() for code in codes}


def _items(value: Any) -> list[Dataset]:
    """The items of a sequence; none where a damaged file has something else in its place."""
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, Sequence) else []


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()
