"""One phantom as DICOM: CT, MR and digital radiograph objects with their required attributes.

Stored as archives store them: rows and columns may run backwards or be exchanged, slices may descend, file names say
nothing; ImageOrientationPatient and ImagePositionPatient always tell where every pixel is (PS3.3 C.7.6.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radseek.demo.phantoms.phantom import PhantomSeries
from radseek.demo.phantoms.write.iod import Visit, fill_ct, fill_dx, fill_general, fill_mr, uid_of

__all__ = ["Visit", "stored_order", "uid_of", "write_series"]

_SOP_CLASS = {
    "CT": UID("1.2.840.10008.5.1.4.1.1.2"),
    "MR": UID("1.2.840.10008.5.1.4.1.1.4"),
    "DX": UID("1.2.840.10008.5.1.4.1.1.1.1"),
}


@dataclass(frozen=True, eq=False)
class Stored:
    """Voxels `(Z, Y, X)` in the order they are written, and the LPS affine that fits that order."""

    voxels: NDArray[np.int16]
    affine: NDArray[np.float64]


def _flipped(stored: Stored, axis: int) -> Stored:
    """The same patient with x (0), y (1) or z (2) running the other way."""
    count = stored.voxels.shape[2 - axis]
    affine = stored.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (count - 1)
    affine[:3, axis] *= -1
    return Stored(np.flip(stored.voxels, 2 - axis), affine)


def _exchanged(stored: Stored) -> Stored:
    """The same patient with rows and columns exchanged."""
    affine = stored.affine[:, [1, 0, 2, 3]]
    return Stored(stored.voxels.transpose(0, 2, 1), affine)


def stored_order(series: PhantomSeries, rng: np.random.Generator) -> Stored:
    """How an archive happens to hold the series; a radiograph stays as it is viewed."""
    stored = Stored(series.voxels, series.affine)
    if series.modality == "DX":
        return stored
    for axis, often in ((0, 0.2), (1, 0.2), (2, 0.5)):
        if rng.random() < often:
            stored = _flipped(stored, axis)
    return _exchanged(stored) if rng.random() < 0.12 else stored


def _plane(ds: Dataset, stored: Stored, k: int) -> None:
    """Image plane of slice `k`."""
    x, y, z, origin = (stored.affine[:3, column] for column in range(4))
    across, down = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    ds.ImageOrientationPatient = [_decimal(v) for v in (*(x / across), *(y / down))]
    ds.ImagePositionPatient = [_decimal(v) for v in origin + k * z]
    ds.PixelSpacing = [_decimal(down), _decimal(across)]
    ds.SliceThickness = _decimal(float(np.linalg.norm(z)))


def _decimal(value: float) -> str:
    """A DS value: at most 16 characters, never an exponent."""
    text = f"{float(value):.9f}"[:16].rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _pixels(ds: Dataset, image: NDArray[np.int16], *, signed: bool, bits: int) -> None:
    """Pixel module for one slice."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    ds.PixelData = np.ascontiguousarray(image, dtype="<i2" if signed else "<u2").tobytes()


def _dataset(series: PhantomSeries, visit: Visit, number: int) -> Dataset:
    """What all files of one series share."""
    ds = Dataset()
    ds.SOPClassUID = _SOP_CLASS[series.modality]
    fill_general(ds, series, visit, number)
    {"CT": fill_ct, "MR": fill_mr, "DX": fill_dx}[series.modality](ds, series)
    return ds


def _write(ds: Dataset, path: Path, syntax: UID) -> None:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, enforce_file_format=True)


def write_series(
    series: PhantomSeries, folder: Path, visit: Visit, number: int, rng: np.random.Generator
) -> list[Path]:
    """Write one series' files (one a slice) into `folder`; gives their paths in slice order."""
    stored = stored_order(series, rng)
    signed = series.modality == "CT" and bool(rng.random() < 0.5)
    negative = series.modality == "DX" and bool(rng.random() < 0.3)
    syntax = ImplicitVRLittleEndian if rng.random() < 0.25 else ExplicitVRLittleEndian
    count = len(stored.voxels)
    names, backwards = rng.permutation(count), bool(rng.random() < 0.3)
    paths = []
    for k, image in enumerate(stored.voxels):
        ds = _dataset(series, visit, number)
        ds.SOPInstanceUID = uid_of(visit.seed, f"{visit.study}/{number}/{k}")
        ds.InstanceNumber = count - k if backwards else k + 1
        if series.modality == "CT":
            ds.RescaleIntercept = "0" if signed else "-1024"
            image = image if signed else image + np.int16(1024)
        if series.modality == "DX":
            image = np.int16(4095) - image if negative else image
        else:
            _plane(ds, stored, k)
        _pixels(ds, image, signed=signed, bits=16 if series.modality != "DX" else 12)
        if negative:
            ds.PhotometricInterpretation, ds.PresentationLUTShape = "MONOCHROME1", "INVERSE"
        paths.append(folder / f"IM{number:02d}{names[k]:04d}.dcm")
        _write(ds, paths[-1], syntax)
    return paths
