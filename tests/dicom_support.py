"""Synthetic DICOM files for tests: each written with only what it is given, so that a test shows what it tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def dataset(pixels: NDArray[Any] | None, **tags: Any) -> FileDataset:
    """A data set of one image; `tags` are keywords, None deletes one."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = tags.pop("syntax", ExplicitVRLittleEndian)
    kind = tags.get("SOPClassUID", MRImageStorage if tags.get("Modality") == "MR" else CTImageStorage)
    meta.MediaStorageSOPClassUID = kind
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, Any] = {
        "SOPClassUID": kind,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
    }
    if pixels is not None:
        values |= _pixel_tags(pixels)
    for keyword, value in (values | tags).items():
        if value is not None:
            setattr(found, keyword, value)
    meta.MediaStorageSOPInstanceUID = found.get("SOPInstanceUID", generate_uid())
    return found


def _pixel_tags(pixels: NDArray[Any]) -> dict[str, Any]:
    if pixels.dtype.kind == "f":
        name = "FloatPixelData" if pixels.dtype.itemsize == 4 else "DoubleFloatPixelData"
        return {
            "Rows": pixels.shape[-2],
            "Columns": pixels.shape[-1],
            "BitsAllocated": 8 * pixels.dtype.itemsize,
            name: pixels.tobytes(),
        }
    bits = 8 * pixels.dtype.itemsize
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    data = pixels.tobytes()
    tags: dict[str, Any] = {
        "Rows": pixels.shape[0 if colour else -2],
        "Columns": pixels.shape[1 if colour else -1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": data + b"\0" * (len(data) % 2),
    }
    if colour:
        tags |= {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    elif pixels.ndim == 3:
        tags["NumberOfFrames"] = pixels.shape[0]
    return tags


def save(data: FileDataset, path: Path) -> Path:
    """Write a data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def series(
    folder: Path, positions: Sequence[Sequence[float]], *, orientation: Sequence[float] = AXIAL,
    pixels: Sequence[NDArray[Any]] | None = None, each: Sequence[dict[str, Any]] | None = None, **tags: Any,
) -> list[Path]:  # fmt: skip
    """Write one classic slice a position; slice k holds the value k + 1 everywhere unless `pixels` says else.

    `each[k]` are tags of slice k alone. File names are random, so that nothing can order by them.
    """
    paths = []
    for k, position in enumerate(positions):
        image = np.full((4, 6), k + 1, np.int16) if pixels is None else pixels[k]
        common = {
            "ImagePositionPatient": list(position),
            "ImageOrientationPatient": list(orientation),
            "PixelSpacing": [0.5, 0.75],
            "SliceThickness": 2.0,
            "InstanceNumber": 1,
        }
        own = each[k] if each else {}
        found = dataset(image, **(common | tags | own))
        paths.append(save(found, folder / f"{generate_uid()[-12:]}.dcm"))
    return paths


def stack_positions(count: int, gap: float = 2.0) -> list[tuple[float, float, float]]:
    """Positions of an axial stack going up."""
    return [(-10.0, -20.0, gap * k) for k in range(count)]


def functional_group(position: Sequence[float], **rescale: float) -> Dataset:
    """A per-frame functional group with a place, and a rescale where given."""
    group = Dataset()
    plane, content = Dataset(), Dataset()
    plane.ImagePositionPatient = list(position)
    group.PlanePositionSequence = [plane]
    content.StackID = "1"
    group.FrameContentSequence = [content]
    if rescale:
        transform = Dataset()
        transform.RescaleSlope, transform.RescaleIntercept = rescale["slope"], rescale["intercept"]
        transform.RescaleType = "HU"
        group.PixelValueTransformationSequence = [transform]
    return group


def shared_group(orientation: Sequence[float] = AXIAL) -> Dataset:
    """A shared functional group with orientation and spacing."""
    group, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = list(orientation)
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], 2.0
    group.PlaneOrientationSequence = [plane]
    group.PixelMeasuresSequence = [measures]
    return group


def nested(levels: int) -> bytes:
    """Explicit little-endian bytes of sequences inside one another, `levels` deep, none closed by length."""
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return opening * levels + closing * levels
