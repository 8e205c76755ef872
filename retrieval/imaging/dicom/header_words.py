"""The header words that views, the catalogue and the linkage need, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.diffusion import b_value
from radseek.retrieval.imaging.dicom.frames import Frame, in_groups
from radseek.retrieval.imaging.dicom.header_values import as_text, value_of

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
    found = {keyword: as_text(value_of(header, keyword)) for keyword in STUDY_KEYWORDS}
    found["PatientAge"] = found["PatientAge"] or _age(header)
    return _filled(found)


def series_attributes(frame: Frame) -> dict[str, str]:
    """Return how it was acquired, with the study's own attributes and `TransferSyntaxUID`."""
    header = frame.header
    found = {keyword: as_text(value_of(header, keyword)) for keyword in _SERIES_KEYWORDS}
    for keyword, where in _GROUPED.items():
        found[keyword] = found.get(keyword) or as_text(in_groups(frame.groups, *where))
    found |= _of_frame(frame)
    found["TransferSyntaxUID"] = as_text(header.file_meta.get("TransferSyntaxUID"))
    found["BodyPartExamined"] = found["BodyPartExamined"] or _anatomy(frame)
    return {**study_attributes(header), **_filled(found)}


def _of_frame(frame: Frame) -> dict[str, str]:
    """What frames of one file may differ in, and what MR scanners say in places of their own."""
    header = frame.header
    found = {name: frame.keys[name] for name in ("ImageType", "ComplexImageComponent") if name in frame.keys}
    if as_text(value_of(header, "Modality")).upper() == "MR":
        b = b_value(frame)
        found["DiffusionBValue"] = "" if b is None else f"{b:g}"
    return found


def _anatomy(frame: Frame) -> str:
    """The meaning of the coded anatomic region, which enhanced and newer radiography files bring instead."""
    for items in (
        in_groups(frame.groups, "FrameAnatomySequence", "AnatomicRegionSequence"),
        frame.header.get("AnatomicRegionSequence"),
    ):
        if items:
            return as_text(items[0].get("CodeMeaning"))
    return ""


def _age(header: Dataset) -> str:
    """Whole years between birth and study as DICOM writes them ("063Y"), so that the birth date can stay behind."""
    born, seen = as_text(header.get("PatientBirthDate")), as_text(header.get("StudyDate"))
    if not (len(born) == len(seen) == 8 and (born + seen).isdigit()):
        return ""
    years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
    return f"{years:03d}Y" if 0 <= years <= 130 else ""


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {keyword: value for keyword, value in values.items() if value}
