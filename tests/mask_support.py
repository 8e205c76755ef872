"""Solids with known size in known places, the volumes they lie in, and masks of them as DICOM SEG and NIfTI."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.sr.codedict import codes
from scipy.spatial.transform import Rotation

from radseek.demo.phantoms.phantom import PhantomSeries
from radseek.demo.phantoms.write.phantom_dicom import Visit, write_series
from radseek.retrieval.types import Provenance, Unit, Volume

Mask = NDArray[np.bool_]
Affine = NDArray[np.float64]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(
    spacing: Sequence[float],
    origin: Sequence[float] = (0, 0, 0),
    turn: Sequence[float] = (0, 0, 0),
    tilt: float = 0.0,
) -> Affine:
    """Voxel (x, y, z) to LPS mm: `spacing` (x, y, z), turned by Euler angles in degrees, slices sheared by `tilt`."""
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * np.array(spacing, np.float64)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 2] += axes[:, 1] / spacing[1] * spacing[2] * np.tan(np.radians(tilt))
    affine[:3, 3] = origin
    return affine


def places(shape: Sequence[int], affine: Affine) -> NDArray[np.float64]:
    """LPS mm of every voxel centre, `(Z, Y, X, 3)`."""
    z, y, x = np.indices(tuple(shape))
    return np.stack([x, y, z], axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def ellipsoid(
    shape: Sequence[int],
    affine: Affine,
    centre: Sequence[float],
    semi: Sequence[float],
    turn: Sequence[float] = (0, 0, 0),
) -> Mask:
    """Voxels whose centre lies in an ellipsoid: `semi` axes in mm along x, y, z, then turned about its centre."""
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    own = (places(shape, affine) - np.array(centre, np.float64)) @ axes / np.array(semi, np.float64)
    return np.asarray((own**2).sum(axis=-1) <= 1)


def middle(shape: Sequence[int], affine: Affine) -> NDArray[np.float64]:
    """LPS mm of the middle of a grid."""
    centre = np.array([(n - 1) / 2 for n in reversed(tuple(shape))])
    return np.asarray(affine[:3, :3] @ centre + affine[:3, 3])


def volume_of(voxels: NDArray[Any], affine: Affine | None, unit: Unit = "HU") -> Volume:
    return Volume(voxels, affine, unit, Provenance("none"))


def empty_volume(shape: Sequence[int], affine: Affine | None, unit: Unit = "HU") -> Volume:
    return volume_of(np.zeros(tuple(shape), np.int16), affine, unit)


def write_mask(path: Path, labels: NDArray[Any], affine: Affine, *, axes: str = "LPS") -> Path:
    """Write `(Z, Y, X)` labels with an LPS affine as NIfTI, its array axes running to `axes`."""
    image = nib.Nifti1Image(np.ascontiguousarray(labels.transpose(2, 1, 0)), LPS_TO_RAS @ affine)
    now = nib.orientations.io_orientation(image.affine)
    wanted = nib.orientations.axcodes2ornt(tuple(axes))
    turned = image.as_reoriented(nib.orientations.ornt_transform(now, wanted))
    turned.header.set_data_dtype(labels.dtype)
    turned.set_sform(turned.affine, 1)
    turned.set_qform(None, 0)
    nib.save(turned, path)
    return path


def write_ct(folder: Path, voxels: NDArray[np.int16], affine: Affine, *, seed: int = 0, study: str = "s") -> list[Any]:
    """Write a CT series as an archive might hold it; return its data sets in the order of the file's slices."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    series = PhantomSeries("CT", "chest ct", voxels, (spacing[2], spacing[1], spacing[0]), affine, "HU")
    visit = Visit(7, study, "PH1", "A1", "20240101", "101010", "F", 60, "CT chest")
    folder.mkdir(parents=True, exist_ok=True)
    return [dcmread(path) for path in write_series(series, folder, visit, 1, np.random.default_rng(seed))]


def slice_places(source: Any) -> NDArray[np.float64]:
    """LPS mm of every pixel of a classic slice, `(Y, X, 3)`, straight from the standard (PS3.3 C.7.6.2.1.1)."""
    row, column = np.indices((int(source.Rows), int(source.Columns)))
    across, down = np.array(source.ImageOrientationPatient, np.float64).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in source.PixelSpacing)
    origin = np.array(source.ImagePositionPatient, np.float64)
    return np.asarray(origin + column[..., None] * across * between_columns + row[..., None] * down * between_rows)


def balls_in(sources: Sequence[Any], balls: Sequence[tuple[Sequence[float], float]]) -> NDArray[np.bool_]:
    """`(N, Y, X, S)`: which pixels of each slice lie in each ball (centre LPS mm, radius mm)."""
    found = [
        [np.linalg.norm(slice_places(one) - np.array(centre), axis=-1) <= radius for centre, radius in balls]
        for one in sources
    ]
    return np.moveaxis(np.array(found), 1, -1)


def write_seg(
    path: Path,
    sources: Sequence[Any],
    pixels: NDArray[Any],
    labels: Sequence[str],
    *,
    kind: str = "BINARY",
    **options: Any,
) -> Path:
    """Write a DICOM SEG by highdicom: `pixels (N, Y, X, S)` for N source slices and S segments."""
    import highdicom as hd

    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Nodule,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(labels, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom warns of names and lookups that do not matter here
        made = hd.seg.Segmentation(
            source_images=list(sources),
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid=hd.UID(),
            series_number=90,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="tests",
            manufacturer_model_name="tests",
            software_versions="1",
            device_serial_number="1",
            **options,
        )
        made.save_as(path)
    return path
