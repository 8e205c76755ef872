"""The attributes that DICOM wants of a CT, MR or digital radiograph (PS3.3 A.3, A.4, A.26), for a phantom."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydicom.dataset import Dataset

from radseek.demo.phantoms.phantom import PhantomSeries

__all__ = ["Visit", "fill_ct", "fill_dx", "fill_general", "fill_mr", "uid_of"]

_DESCRIPTIONS = {
    "chest ct": "Chest axial",
    "head ct": "Head axial",
    "radiograph": "Chest",
    "t1": "AX T1 SE",
    "t2": "AX T2 TSE",
    "flair": "AX FLAIR",
}


@dataclass(frozen=True)
class Visit:
    """Who and when: everything a study's files repeat."""

    seed: int
    study: str  # the study's folder name, unique within the cohort
    patient: str
    accession: str
    date: str  # YYYYMMDD
    time: str  # HHMMSS
    sex: str
    age: int
    description: str

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        return uid_of(self.seed, self.study)


def uid_of(seed: int, what: str) -> str:
    """A UID (2.25., PS3.5 B.2) that the same words and seed always give."""
    digest = hashlib.sha256(f"radseek phantom/{seed}/{what}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def fill_general(ds: Dataset, series: PhantomSeries, visit: Visit, number: int) -> None:
    """Patient, study, series, equipment, frame of reference and SOP common modules."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = f"Phantom^{visit.patient}"
    ds.PatientID, ds.PatientSex, ds.PatientAge = visit.patient, visit.sex, f"{visit.age:03d}Y"
    ds.PatientBirthDate = f"{int(visit.date[:4]) - visit.age}0101"
    ds.StudyInstanceUID, ds.StudyID = visit.study_uid, visit.accession[-8:]
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = visit.date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = visit.time
    ds.AccessionNumber, ds.ReferringPhysicianName = visit.accession, ""
    ds.StudyDescription = visit.description
    ds.Modality = series.modality
    ds.SeriesInstanceUID = uid_of(visit.seed, f"{visit.study}/{number}")
    ds.SeriesNumber = number
    contrast = str(series.attributes.get("contrast", "none"))
    enhanced = contrast not in {"none", ""}
    ds.SeriesDescription = _DESCRIPTIONS.get(series.name, series.name) + (" post contrast" if enhanced else "")
    if enhanced and series.modality != "DX":
        ds.ContrastBolusAgent = contrast
    ds.BodyPartExamined = str(series.attributes.get("body_part", ""))
    ds.Manufacturer = str(series.attributes.get("manufacturer", "radseek phantom"))
    ds.ManufacturerModelName = "synthetic"
    ds.SoftwareVersions = "radseek phantoms"
    ds.DeviceSerialNumber = "0"
    if series.modality != "DX":
        ds.FrameOfReferenceUID = uid_of(visit.seed, f"{visit.study}/frame")
        ds.PositionReferenceIndicator = ""
        ds.PatientPosition = "HFS"
        ds.AcquisitionNumber = 1
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"


def fill_ct(ds: Dataset, series: PhantomSeries) -> None:
    """CT image module; the intercept is set with the pixels."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP = str(int(float(series.attributes.get("kvp", 120.0))))
    ds.ConvolutionKernel = str(series.attributes.get("kernel", "STANDARD"))
    ds.RescaleSlope, ds.RescaleType = "1", "HU"


def fill_mr(ds: Dataset, series: PhantomSeries) -> None:
    """MR image module: spin echo, or inversion recovery where there is an inversion time."""
    values = {name: float(series.attributes.get(f"{name}_ms", 0.0)) for name in ("tr", "te", "ti")}
    inverted = values["ti"] > 0
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.ScanningSequence = ["SE", "IR"] if inverted else "SE"
    ds.SequenceVariant = "SK" if series.name != "t1" else "NONE"
    ds.ScanOptions, ds.MRAcquisitionType = "", "2D"
    ds.RepetitionTime, ds.EchoTime = f"{values['tr']:.1f}", f"{values['te']:.1f}"
    ds.EchoTrainLength = 1 if series.name == "t1" else 15
    if inverted:
        ds.InversionTime = f"{values['ti']:.1f}"
    ds.MagneticFieldStrength = str(series.attributes.get("field_t", 1.5))
    ds.SpacingBetweenSlices = f"{series.spacing[0]:.6f}"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def fill_dx(ds: Dataset, series: PhantomSeries) -> None:
    """DX series, anatomy, image, detector and acquisition context modules."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PatientOrientation = ["L", "F"]
    ds.ImageLaterality = "U"
    ds.AnatomicRegionSequence = [_code("51185008", "Chest")]
    ds.ViewPosition = str(series.attributes.get("view", "PA"))
    ds.PositionerType = "COLUMN"
    ds.KVP = str(int(float(series.attributes.get("kvp", 110.0))))
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.DetectorType = "SCINTILLATOR"
    ds.ImagerPixelSpacing = [f"{series.spacing[1]:.6f}", f"{series.spacing[2]:.6f}"]
    ds.AcquisitionContextSequence = []
