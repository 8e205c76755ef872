"""Sheets of tiles of other makers, and nuclear medicine: slices and places where the header has them, or a word."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import MRImageStorage, NuclearMedicineImageStorage

from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.orientation import to_display
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, save

UIH = "Image Private Header"


def words(one: Series) -> list[str]:
    return [warning.split(":")[0] for warning in one.volume.provenance.warnings]


def sheet(tiles: NDArray[Any], across: int) -> NDArray[Any]:
    """Tiles `(N, y, x)` row by row, `across` in each; the spare ones hold nothing."""
    count, rows, columns = tiles.shape
    down = -(-count // across)
    found = np.zeros((down * rows, across * columns), tiles.dtype)
    for k in range(count):
        row, column = divmod(k, across)
        found[rows * row : rows * (row + 1), columns * column : columns * (column + 1)] = tiles[k]
    return found


def vframe(tiles: NDArray[Any], *, items: bool = True, counted: bool = True, **tags: Any) -> FileDataset:
    """A UIH grid: its count in (0065,1050), each slice's place in an item of (0065,1051)."""
    count = len(tiles)
    found = dataset(
        sheet(tiles, int(np.ceil(np.sqrt(count)))),
        **{
            "SOPClassUID": MRImageStorage, "Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME"],
            "Manufacturer": "UIH", "ImageOrientationPatient": [1, 0, 0, 0, 0.8, 0.6],
            "ImagePositionPatient": [-10, -20, -30], "PixelSpacing": [3.5, 3.25], "SliceThickness": 4.0,
            "InstanceNumber": 1, "AcquisitionNumber": 1, **tags,
        },
    )  # fmt: skip
    block = found.private_block(0x0065, UIH, create=True)
    if counted:
        block.add_new(0x50, "DS", str(count))
    if items:
        block.add_new(0x51, "SQ", [place(k) for k in range(count)])
    return found


def place(k: int) -> Dataset:
    item = Dataset()
    item.ImagePositionPatient = [-10, -20 - 0.6 * 4.2 * k, -30 + 0.8 * 4.2 * k]
    item.ImageOrientationPatient = [1, 0, 0, 0, 0.8, 0.6]
    return item


def tiles(count: int, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 900, (count, 8, 6)).astype(np.uint16)


@pytest.mark.slow
def test_a_uih_grid_is_unfolded_into_its_places(tmp_path: Path) -> None:
    """Every count up to 30: full sheets, spare tiles, sheets with a row less than columns."""
    wrong = []
    for count in range(2, 31):
        found, skipped = read_dicom_series([save(vframe(tiles(count)), tmp_path / f"{count}.dcm")])
        volume = found[0].volume
        if skipped or len(found) != 1 or volume.voxels.shape != (count, 8, 6) or volume.affine is None:
            wrong.append((count, volume.voxels.shape, skipped))
            continue
        last, there = (volume.affine @ (0, 0, count - 1, 1))[:3], place(count - 1).ImagePositionPatient
        if not np.array_equal(volume.voxels, tiles(count)) or not np.allclose(last, there):
            wrong.append((count, "voxels or place"))
    assert not wrong


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed (Debian package dcm2niix)")
def test_a_uih_grid_has_the_slices_of_dcm2niix(tmp_path: Path) -> None:
    """Against nibabel's reading of what dcm2niix unfolds; slices only: for places it needs more of the header."""
    (tmp_path / "in").mkdir()
    path = save(vframe(tiles(20)), tmp_path / "in" / "a.dcm")
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "out", "-o", str(tmp_path), str(tmp_path / "in")]
    subprocess.run(command, check=True, capture_output=True)
    image = nib.load(tmp_path / "out.nii")
    voxels = np.asanyarray(image.dataobj)
    found, _ = read_dicom_series([path])
    shown = to_display(voxels.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)
    assert np.array_equal(shown.voxels, found[0].volume.voxels)


def test_the_first_of_several_grids_is_read_and_the_others_are_counted(tmp_path: Path) -> None:
    paths = [
        save(vframe(tiles(20, t), InstanceNumber=t, AcquisitionNumber=t), tmp_path / f"{9 - t}.dcm") for t in (1, 2, 3)
    ]
    found, skipped = read_dicom_series(paths)
    assert not skipped
    assert len(found) == 1
    assert np.array_equal(found[0].volume.voxels, tiles(20, 1))
    assert words(found[0]) == ["acquisitions"]
    assert "1 of 3 read" in found[0].volume.provenance.warnings[0]
    assert "40 images" in found[0].volume.provenance.warnings[0]


def test_a_grid_of_count_but_no_places_is_unfolded_without_geometry(tmp_path: Path) -> None:
    siemens = dataset(
        sheet(tiles(7), 3), SOPClassUID=MRImageStorage, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
        PixelSpacing=[2, 3], SliceThickness=4,
    )  # fmt: skip
    siemens.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 7)
    for name, one, count in (("uih", vframe(tiles(7), items=False), 7), ("siemens", siemens, 7)):
        found, skipped = read_dicom_series([save(one, tmp_path / f"{name}.dcm")])
        assert not skipped
        assert np.array_equal(found[0].volume.voxels, tiles(count))
        assert found[0].volume.affine is None
        assert words(found[0]) == ["grid"]


def test_a_mosaic_is_counted_by_its_slice_times_where_nothing_else_is_left(tmp_path: Path) -> None:
    one = dataset(
        sheet(tiles(7), 3), SOPClassUID=MRImageStorage, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
        ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[2, 3],
        SliceThickness=4,
    )  # fmt: skip
    block = one.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x29, "FD", [10.0 * k for k in range(7)])
    found, _ = read_dicom_series([save(one, tmp_path / "a.dcm")])
    assert np.array_equal(found[0].volume.voxels, tiles(7))
    assert found[0].volume.affine is not None


def test_a_grid_of_unknown_layout_says_that_it_is_one(tmp_path: Path) -> None:
    wrong = []
    makers: dict[str, dict[str, Any]] = {
        "MOSAIC": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], "Manufacturer": "ACME"},
        "VFRAME": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME"], "Manufacturer": "UIH"},
        "sheet that the count does not divide": {"count": "50"},
    }
    for name, tags in makers.items():
        one = vframe(tiles(20), items=False, counted=False, **{k: v for k, v in tags.items() if k != "count"})
        if "count" in tags:
            one.private_block(0x0065, UIH).add_new(0x50, "DS", tags["count"])
        found, skipped = read_dicom_series([save(one, tmp_path / f"{name}.dcm")])
        volume = found[0].volume
        if skipped or volume.voxels.shape != (1, 32, 30) or volume.affine is not None or words(found[0]) != ["grid"]:
            wrong.append((name, volume.voxels.shape, words(found[0])))
    assert not wrong


def nuclear(
    kind: str,
    slices: list[int],
    gap: float | None,
    *,
    top: bool = False,
    position: list[float] | None = None,
    **tags: Any,
) -> FileDataset:
    """A reconstructed NM file; frame k holds its slice's number, and 100 more for each later value of `vector`."""
    vector = tags.pop("vector", None)
    extra = [0] * len(slices) if vector is None else [100 * (v - 1) for v in vector[1]]
    pixels = np.stack([np.full((4, 6), n + e, np.uint16) for n, e in zip(slices, extra, strict=True)])
    found = dataset(
        pixels, SOPClassUID=NuclearMedicineImageStorage, Modality="NM", BurnedInAnnotation="NO",
        ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"], PixelSpacing=[4.0, 4.5], SliceThickness=5.0,
        SpacingBetweenSlices=gap, SliceVector=slices, NumberOfSlices=max(slices), **tags,
    )  # fmt: skip
    where = found if top else Dataset()
    where.ImagePositionPatient = position or [-100, -90, 40]
    where.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    if not top:
        found.DetectorInformationSequence = [where]
    if vector is not None:
        setattr(found, vector[0], vector[1])
    return found


def test_reconstructed_nm_slices_lie_where_the_detector_and_the_spacing_say(tmp_path: Path) -> None:
    """PS3.3 C.8.4.15: a positive spacing stacks behind the first slice, along row x column; a negative one in front."""
    wrong = []
    for n, (gap, order, top) in enumerate([(6.0, [1, 2, 3, 4], False), (-6.0, [1, 2, 3, 4], False),
                                           (6.0, [3, 1, 4, 2], False), (6.0, [1, 2, 3, 4], True)]):  # fmt: skip
        found, skipped = read_dicom_series([save(nuclear("RECON TOMO", order, gap, top=top), tmp_path / f"{n}.dcm")])
        volume = found[0].volume
        if skipped or volume.affine is None or volume.provenance.spacing != (6.0, 4.0, 4.5):
            wrong.append((gap, order, volume.affine, volume.provenance))
            continue
        for z in range(4):
            height = (volume.affine @ (0, 0, z, 1))[2]
            if not np.isclose(height, 40 + gap * (int(volume.voxels[z, 0, 0]) - 1)):
                wrong.append((gap, order, z, height))
    assert not wrong


def test_reconstructed_nm_of_several_intervals_or_windows_keeps_the_first(tmp_path: Path) -> None:
    for name, word in (("TimeSlotVector", "time_points"), ("EnergyWindowVector", "energy_windows")):
        one = nuclear("RECON GATED TOMO", [1, 2, 3] * 2, 6.0, vector=(name, [2, 2, 2, 1, 1, 1]))
        found, _ = read_dicom_series([save(one, tmp_path / f"{name}.dcm")])
        assert [int(plane.flat[0]) for plane in found[0].volume.voxels] == [1, 2, 3]
        assert words(found[0]) == [word]


def test_nm_without_a_place_says_why(tmp_path: Path) -> None:
    wrong = []
    for n, (kind, gap, reason) in enumerate([
        ("STATIC", None, "STATIC"), ("TOMO", 6.0, "TOMO"), ("WHOLE BODY", None, "BODY"),
        ("RECON TOMO", None, "SpacingBetweenSlices"),
    ]):  # fmt: skip
        found, skipped = read_dicom_series([save(nuclear(kind, [1, 2, 3], gap), tmp_path / f"{n}.dcm")])
        said = [w for w in found[0].volume.provenance.warnings if w.startswith("no_geometry:")]
        if skipped or found[0].volume.affine is not None or len(said) != 1 or reason not in said[0]:
            wrong.append((kind, said))
    assert not wrong
