"""A DICOM series and its NIfTI copy, made by dcm2niix, give the same slices and so the same vectors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.imaging import read_study
from tests.conftest import DATA
from tests.each_support import each

FOLDERS = sorted((DATA / "dicom_orientation").glob("*/*")) if DATA.is_dir() else []


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed (Debian: dcm2niix)")
@each("folder", FOLDERS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_dicom_and_its_nifti_copy_have_the_same_vectors(folder: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for file in folder.iterdir():
        if file.suffix != ".nii":  # one folder also holds a copy that its scanner made
            shutil.copy(file, scans)
    command = ["dcm2niix", "-z", "n", "-b", "y", "-o", str(tmp_path), "-f", "copy", str(scans)]
    subprocess.run(command, check=True, capture_output=True)
    (ours,) = read_study(scans).series
    (copy,) = read_study(next(tmp_path.glob("*.nii")), modality="MR").series
    assert np.array_equal(ours.volume.voxels, copy.volume.voxels)
    assert ours.volume.affine is not None
    assert copy.volume.affine is not None
    assert np.abs(ours.volume.affine - copy.volume.affine).max() <= 1e-3
    encoder = load_encoder("random")
    for one, other in zip(embed_series(ours, encoder), embed_series(copy, encoder), strict=True):
        cosines = np.sum(one.slices.astype(np.float64) * other.slices, axis=1)
        norms = np.linalg.norm(one.slices.astype(np.float64), axis=1) * np.linalg.norm(
            other.slices.astype(float), axis=1
        )
        assert (cosines / norms).min() >= 0.9999
        assert np.array_equal(one.z, other.z)
