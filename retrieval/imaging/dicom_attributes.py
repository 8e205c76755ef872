"""The header words that views, the catalogue and the linkage need, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from retrieval.imaging.dicom_frames import Frame, in_groups

__all__ = ["STUDY_KEYWORDS", "series_attributes", "study_attributes"]

STUDY_KEYWORDS: Final = (
    "StudyInstanceUID", "PatientID", "AccessionNumber", "PatientSex", "PatientAge", "StudyDate", "StudyDescription",
    "Manufacturer", "ManufacturerModelName", "InstitutionName",
)  # fmt: skip
_SERIES_KEYWORDS: Final = (
    "SOPClassUID", "SeriesDescription", "ProtocolName", "SequenceName", "ScanningSequence", "SequenceVariant",
    "PulseSequenceName", "AcquisitionContrast", "ImageType", "RepetitionTime", "EchoTime", "InversionTime",
    "FlipAngle", "MagneticFieldStrength", "DiffusionBValue", "ContrastBolusAgent", "SliceThickness",
    "SpacingBetweenSlices", "PixelSpacing", "ImagerPixelSpacing", "BodyPartExamined", "ViewPosition", "Laterality",
    "ImageLaterality", "PatientOrientation", "PatientPosition", "ConvolutionKernel", "KVP",
    "PhotometricInterpretation", "BitsStored", "RescaleType", "Units", "SeriesNumber", "FrameOfReferenceUID",
)  # fmt: skip
# Enhanced files keep these inside functional groups.
_GROUPED: Final = {
    "RepetitionTime": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "FlipAngle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "SliceThickness": ("PixelMeasuresSequence", "SliceThickness"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "RescaleType": ("PixelValueTransformationSequence", "RescaleType"),
    "ConvolutionKernel": ("CTReconstructionSequence", "ConvolutionKernel"),
}


def study_attributes(header: Dataset) -> dict[str, str]:
    """Return who and when: the keywords of STUDY_KEYWORDS that the header fills. Identifying; memory only."""
    found = {keyword: _text(header.get(keyword)) for keyword in STUDY_KEYWORDS}
    found["PatientAge"] = found["PatientAge"] or _age(header)
    return _filled(found)


def series_attributes(frame: Frame) -> dict[str, str]:
    """Return how it was acquired, with the study's own attributes and `TransferSyntaxUID`."""
    header = frame.header
    found = {keyword: _text(header.get(keyword)) for keyword in _SERIES_KEYWORDS}
    for keyword, where in _GROUPED.items():
        found[keyword] = found.get(keyword) or _text(in_groups(frame.groups, *where))
    found["TransferSyntaxUID"] = _text(header.file_meta.get("TransferSyntaxUID"))
    found["BodyPartExamined"] = found["BodyPartExamined"] or _anatomy(frame)
    return {**study_attributes(header), **_filled(found)}


def _anatomy(frame: Frame) -> str:
    """The meaning of the coded anatomic region, which enhanced and newer radiography files bring instead."""
    for items in (
        in_groups(frame.groups, "FrameAnatomySequence", "AnatomicRegionSequence"),
        frame.header.get("AnatomicRegionSequence"),
    ):
        if items:
            return _text(items[0].get("CodeMeaning"))
    return ""


def _age(header: Dataset) -> str:
    """Whole years between birth and study as DICOM writes them ("063Y"), so that the birth date can stay behind."""
    born, seen = _text(header.get("PatientBirthDate")), _text(header.get("StudyDate"))
    if not (len(born) == len(seen) == 8 and (born + seen).isdigit()):
        return ""
    years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
    return f"{years:03d}Y" if 0 <= years <= 130 else ""


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {keyword: value for keyword, value in values.items() if value}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | MultiValue):
        return "\\".join(str(v).strip() for v in value)
    return str(value).strip()
