"""Small real files for builder tests: DICOM series with a sphere in them, NIfTI volumes, pictures."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian


def sphere(seed: int, shape: tuple[int, int, int] = (6, 40, 48)) -> NDArray[np.int16]:
    """A bright sphere somewhere in air and soft tissue; every seed differs."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    centre = [rng.uniform(0.3, 0.7) * n for n in shape]
    radius = rng.uniform(4, 12)
    inside = ((z - centre[0]) * 4) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2
    body = ((y - shape[1] / 2) / (shape[1] / 2.2)) ** 2 + ((x - shape[2] / 2) / (shape[2] / 2.2)) ** 2 < 1
    noise = rng.normal(0, 15, shape)
    return np.where(body, np.where(inside, 300, 40) + noise, -1000 + noise).astype(np.int16)


def write_ct(
    folder: Path,
    seed: int,
    *,
    study_uid: str = "",
    patient: str = "",
    accession: str = "",
    names: list[str] | None = None,
    body_part: str = "CHEST",
) -> str:
    """Write one CT study of one series into `folder`; return its StudyInstanceUID."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = sphere(seed)
    study_uid = study_uid or f"1.2.826.0.1.3680043.8.498.{1000 + seed}"
    for z, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = UID(f"{study_uid}.1.{z + 1}")
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, f"{study_uid}.1"
        ds.Modality, ds.BodyPartExamined, ds.ImageType = "CT", body_part, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.PatientID, ds.PatientName = patient or f"PAT{seed}", f"Planted^Name{seed}"
        ds.PatientSex, ds.PatientAge, ds.StudyDate = "F", "061Y", "20240317"
        ds.AccessionNumber, ds.Manufacturer = accession or f"ACC{seed}", "Acme"
        ds.InstanceNumber = z + 1
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [-20.0, -20.0, 5.0 * z]
        ds.PixelSpacing, ds.SliceThickness = [0.9, 0.9], 5.0
        ds.Rows, ds.Columns = plane.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = "0", "1"
        ds.PixelData = plane.tobytes()
        name = names[z] if names else f"{z:04d}.dcm"
        ds.save_as(folder / name, enforce_file_format=True)
    return study_uid


def write_nifti(path: Path, seed: int) -> None:
    """Write the same kind of volume as NIfTI, RAS affine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.transpose(sphere(seed), (2, 1, 0)), np.diag([-0.9, -0.9, 5.0, 1.0])).to_filename(path)


def write_picture(path: Path, seed: int) -> None:
    """Write a grey PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(sphere(seed)[3] / 4 + 100, 0, 255).astype(np.uint8)).save(path)
