"""Geometry against Debian's dcm2niix: the same scan as DICOM and as NIfTI gives the same voxels in the same places."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.orientation import to_display
from radseek.retrieval.types import Series
from tests.conftest import DATA
from tests.dicom_support import SAGITTAL, series, stack_positions
from tests.each_support import each

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
AFFINE_MM = 1e-3
ROOT = DATA / "dicom_orientation"
SCANS = sorted(p for p in ROOT.glob("*/*") if p.is_dir()) if ROOT.is_dir() else []

needs_dcm2niix = pytest.mark.skipif(
    shutil.which("dcm2niix") is None, reason="dcm2niix is not installed (Debian package dcm2niix)"
)


def converted(folder: Path, out: Path) -> list[Path]:
    out.mkdir()
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "%s_%p", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return sorted(out.glob("*.nii"))


def assert_same(one: Series, nifti: Path) -> None:
    """Against nibabel alone, so that our NIfTI reader cannot share a mistake with our DICOM reader."""
    image = nib.load(nifti)
    voxels = np.asanyarray(image.dataobj)
    voxels = voxels[..., 0] if voxels.ndim == 4 else voxels
    shown = to_display(voxels.transpose(2, 1, 0), LPS_FROM_RAS @ image.affine)
    assert np.array_equal(shown.voxels, one.volume.voxels)
    assert shown.affine is not None
    assert one.volume.affine is not None
    assert np.abs(shown.affine - one.volume.affine).max() < AFFINE_MM
    assert shown.plane == one.volume.provenance.plane


@pytest.mark.slow
@needs_dcm2niix
@pytest.mark.real_data
@each("folder", SCANS, ids=lambda p: p.name)
def test_real_scans_equal_dcm2niix(folder: Path, tmp_path: Path) -> None:
    found, skipped = read_dicom_series([p for p in folder.iterdir() if p.suffix != ".nii"])
    assert not skipped
    niftis = converted(folder, tmp_path / "out")
    assert len(found) == len(niftis) == 1
    assert_same(found[0], niftis[0])


@pytest.mark.slow
@needs_dcm2niix
@pytest.mark.real_data
@each("folder", SCANS, ids=lambda p: p.name)
def test_real_scans_equal_our_own_reading_of_dcm2niix(folder: Path, tmp_path: Path) -> None:
    from radseek.retrieval.imaging.nifti.nifti_series import read_nifti

    found, _ = read_dicom_series([p for p in folder.iterdir() if p.suffix != ".nii"])
    again = read_nifti(converted(folder, tmp_path / "out")[0], modality="MR")
    assert np.array_equal(again.volume.voxels, found[0].volume.voxels)
    assert again.volume.affine is not None
    assert found[0].volume.affine is not None
    assert np.abs(again.volume.affine - found[0].volume.affine).max() < AFFINE_MM
    assert again.volume.provenance.spacing == pytest.approx(found[0].volume.provenance.spacing, abs=AFFINE_MM)


@pytest.mark.slow
@needs_dcm2niix
@each("name", ["up", "down", "oblique", "sagittal", "prone"])
def test_synthetic_stacks_equal_dcm2niix(name: str, tmp_path: Path) -> None:
    c, s = float(np.cos(0.3)), float(np.sin(0.3))
    orientation, step = {
        "up": ((1, 0, 0, 0, 1, 0), (0, 0, 2)),
        "down": ((1, 0, 0, 0, 1, 0), (0, 0, -2)),
        "oblique": ((1, 0, 0, 0, c, s), (0, -2 * s, 2 * c)),
        "sagittal": (SAGITTAL, (-2, 0, 0)),
        "prone": ((-1, 0, 0, 0, -1, 0), (0, 0, 2)),
    }[name]
    random = np.random.default_rng(0)
    places = [tuple(k * v for v in step) for k in range(8)]
    paths = series(
        tmp_path / "in", places, orientation=orientation, Modality="MR", Manufacturer="Test",
        pixels=[random.integers(0, 900, (20, 24)).astype(np.int16) for _ in places],
        each=[{"InstanceNumber": k + 1} for k in range(8)],
    )  # fmt: skip
    found, skipped = read_dicom_series(paths)
    assert not skipped
    niftis = converted(tmp_path / "in", tmp_path / "out")
    assert len(niftis) == 1
    assert_same(found[0], niftis[0])


def test_display_keeps_every_voxel_in_its_place(tmp_path: Path) -> None:
    """Each voxel's value names its slice and pixel; the affine must still point to where the header put it."""
    places = stack_positions(3)
    pixels = [np.arange(24, dtype=np.int16).reshape(4, 6) + 100 * k for k in range(3)]
    found, _ = read_dicom_series(series(tmp_path, places, orientation=(-1, 0, 0, 0, -1, 0), pixels=pixels))
    volume = found[0].volume
    assert volume.affine is not None
    for z, y, x in np.ndindex(volume.voxels.shape):
        value = int(volume.voxels[z, y, x])
        k, row, column = value // 100, value % 100 // 6, value % 100 % 6
        expected = np.array(places[k]) + np.array([-0.75 * column, -0.5 * row, 0])
        assert np.allclose((volume.affine @ (x, y, z, 1))[:3], expected)
