"""Small files and Series for the tests of imaging."""

from __future__ import annotations

import gzip
import itertools
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from radseek.retrieval.types import Provenance, Series, Unit, Voi, Volume

# Byte and type of the NIfTI-1 header fields that tests set.
HEADER_FIELDS = {
    "scl_slope": (112, "f4"), "scl_inter": (116, "f4"), "qform_code": (252, "i2"), "sform_code": (254, "i2"),
    "srow_x": (280, "f4"),
}  # fmt: skip
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def signed_permutations() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All 48 ways to name and point three axes."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            yield order, signs


def make_series(
    voxels: NDArray[Any],
    modality: str = "",
    *,
    unit: Unit = "raw",
    body_part: str = "",
    description: str = "",
    affine: NDArray[np.float64] | None = None,
    inverted: bool = False,
    attributes: Mapping[str, str] | None = None,
    voi: Voi | None = None,
) -> Series:
    volume = Volume(voxels, affine, unit, Provenance(rescale="none", inverted=inverted))
    return Series("1.2.3", modality, body_part, description, volume, dict(attributes or {}), voi)


def write_nifti(path: Path, data: NDArray[Any], affine: NDArray[np.float64] | None = None, **header: Any) -> Path:
    """Write `data` exactly as given; header fields by name ("scl_slope", "sform_code", ...).

    They are patched into the bytes afterwards, for nibabel would rescale the data and code the affine itself.
    """
    image = nib.Nifti1Image(data, np.eye(4) if affine is None else affine)
    sidecar = header.pop("sidecar", None)
    raw = bytearray(image.to_bytes())
    order = image.header.endianness
    for name, value in {"scl_slope": 1.0, "scl_inter": 0.0, **header}.items():
        at, kind = HEADER_FIELDS[name]
        encoded = np.array(value, f"{order}{kind}").tobytes()
        raw[at : at + len(encoded)] = encoded
    if path.name.endswith(".gz"):
        raw = bytearray(gzip.compress(bytes(raw), 1))
    path.write_bytes(raw)
    if sidecar is not None:
        path.with_name(path.name.split(".")[0] + ".json").write_text(json.dumps(sidecar))
    return path


def write_dicom(path: Path, study: str = "1.2.3", *, sop: str | None = None, z: float = 0.0) -> Path:
    """Write a CT slice of 8 x 8 voxels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = sop or generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = study, f"{study}.1", "CT"
    dataset.PatientID, dataset.AccessionNumber = "P1", "A1"
    dataset.PatientBirthDate, dataset.StudyDate = "19700620", "20200619"
    dataset.BodyPartExamined = "CHEST"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 2
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    values = np.linspace(-1000, 400, 64).astype(np.int16) + np.int16(z)
    dataset.PixelData = values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def zip_of(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
