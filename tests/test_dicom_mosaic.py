"""Siemens mosaics without their private CSA header: the tile count still unfolds them; without it they stay a sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.uid import MRImageStorage

from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from tests.dicom_support import dataset, save


def sheet(tiles: int, *, counted: bool) -> FileDataset:
    """Tiles of 2 x 3 pixels on a square sheet; tile k holds k + 1, the spare ones nothing."""
    grid = int(np.ceil(np.sqrt(tiles)))
    pixels = np.zeros((2 * grid, 3 * grid), np.int16)
    for k in range(tiles):
        row, column = divmod(k, grid)
        pixels[2 * row : 2 * row + 2, 3 * column : 3 * column + 3] = k + 1
    found = dataset(
        pixels, SOPClassUID=MRImageStorage, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
        ImagePositionPatient=[0, 0, 5], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[2, 3],
        SliceThickness=4, SpacingBetweenSlices=5,
    )  # fmt: skip
    if counted:
        found.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", tiles)
    return found


def test_tiles_become_slices_in_their_places(tmp_path: Path) -> None:
    series, skipped = read_dicom_series([save(sheet(7, counted=True), tmp_path / "a.dcm")])
    assert not skipped
    volume = series[0].volume
    assert volume.voxels[:, 0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert volume.voxels.shape == (7, 2, 3)
    assert volume.affine is not None
    # The header's position is that of the 9 x 6 sheet around the same centre: half the surplus further in.
    assert np.allclose((volume.affine @ (0, 0, 0, 1))[:3], [3 * (9 - 3) / 2, 2 * (6 - 2) / 2, 5])
    assert np.allclose((volume.affine @ (1, 1, 6, 1))[:3], [9 + 3, 4 + 2, 5 + 30])


def test_a_mosaic_of_unknown_count_says_that_it_is_one(tmp_path: Path) -> None:
    series, skipped = read_dicom_series([save(sheet(7, counted=False), tmp_path / "a.dcm")])
    assert not skipped
    assert series[0].volume.voxels.shape == (1, 6, 9)
    assert series[0].volume.affine is None
    assert [w.split(":")[0] for w in series[0].volume.provenance.warnings] == ["grid"]
