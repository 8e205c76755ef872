"""Units that a file states are honoured, those that it cannot have not claimed, and what cannot be known is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

from radseek.retrieval.heatmaps.heatmap_nifti import write_nifti
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.hounsfield import hu_warnings
from radseek.retrieval.imaging.nifti.nifti_series import read_nifti
from radseek.retrieval.imaging.orientation import spacing_zyx
from radseek.retrieval.imaging.views.series_views import make_views, unpadded
from radseek.retrieval.regions.mask_nifti import read_label_map
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, save


def read(path: Path, pixels: NDArray[Any], **tags: Any) -> Series:
    found, skipped = read_dicom_series([save(dataset(pixels, **tags), path / "a.dcm")])
    assert not skipped, skipped
    return found[0]


def codes(series: Series) -> list[str]:
    return [warning.split(":")[0] for warning in series.volume.provenance.warnings]


# ---- Hounsfield units ----


def body(*, side: int = 96, air: float = 1.0, seed: int = 0) -> NDArray[np.float64]:
    """A slice with noise: fat around muscle, lung and bone in it, `air` times as wide a field around it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    radius = np.hypot(y, x) / (side / 2)
    made = np.full((side, side), 40.0)
    made[radius > 0.75] = -100
    made[np.hypot(y, x - side / 6) < side / 9] = -850
    made[np.hypot(y + side / 6, x) < side / 12] = 900
    made[radius > 0.9] = -1000
    wide = int(side * air)
    field = np.full((wide, wide), -1000.0)
    at = (wide - side) // 2
    field[at : at + side, at : at + side] = made
    return (field + rng.normal(0, 15, field.shape))[None]


def inside(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """A narrow field in the middle, without any air: muscle, fat and bone."""
    middle = image[:, 30:50, 40:60].copy()
    middle[:, :, :6] = np.random.default_rng(1).normal(-100, 15, (1, 20, 6))
    return middle


def with_margin(image: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """The corners outside the reconstructed circle."""
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    made = image.copy()
    made[:, np.hypot(y - image.shape[1] / 2, x - image.shape[2] / 2) > image.shape[1] / 2] = value
    return made


def test_hu_are_doubted_for_their_values_not_for_how_much_air_there_is() -> None:
    """Right as it is; rescaled twice, or not at all, it is suspect, whatever the field of view."""
    fields = {
        "a body": body(), "a head in a wide field": body(air=8), "a narrow field": inside(body()),
        "air cut at -1024": np.maximum(body(air=4), -1024), "with a margin at -2000": with_margin(body(), -2000),
        "with a margin at -3024": with_margin(body(air=3), -3024), "a margin at -1024": with_margin(body(), -1024),
        "a margin of 0": with_margin(body(), 0),
    }  # fmt: skip
    wrong = []
    for name, right in fields.items():
        image = np.rint(right).astype(np.int16)
        wrong += [f"{name}: {hu_warnings(image)}"] if hu_warnings(image) else []
        for fault, faulty in (("twice", image - 1024), ("never", image + 1024), ("cut", np.maximum(image + 1024, 0))):
            wrong += [] if hu_warnings(faulty) else [f"{name}, {fault}"]
    assert not wrong


def test_declared_padding_is_no_reason_to_doubt_hu() -> None:
    """A range of padding, and one that lossy compression has spread."""
    image = with_margin(body(), -2500)
    spread = np.where(image == -2500, image + np.random.default_rng(2).normal(0, 40, image.shape), image)
    assert not hu_warnings(spread, (-2500, -2500))
    assert not hu_warnings(with_margin(body(), 3000), (2900, 3100))
    assert hu_warnings(spread - 1024, (-3524, -3524))


def test_hu_is_claimed_where_the_rescale_says_so_and_values_can_be(tmp_path: Path) -> None:
    stored = np.rint(body()[0] + 1024).astype(np.int16)
    shift = {"SOPClassUID": CTImageStorage, "RescaleSlope": 1, "RescaleIntercept": -1024}
    wrong = []
    for name, tags, unit in (
        ("no type", {}, "HU"), ("HU", {"RescaleType": "HU"}, "HU"), ("unspecified", {"RescaleType": "US"}, "HU"),
        ("unspecified and not like HU", {"RescaleType": "US", "RescaleIntercept": 0}, "raw"),
        ("another quantity", {"RescaleType": "Z_EFF"}, "raw"),
        ("a reformat stored as a capture", {"SOPClassUID": SecondaryCaptureImageStorage}, "HU"),
        ("a capture that is not", {"SOPClassUID": SecondaryCaptureImageStorage, "RescaleIntercept": 0}, "raw"),
    ):  # fmt: skip
        one = read(tmp_path, stored, **(shift | tags))
        if one.volume.unit != unit or (unit == "raw") != ("not_hu" in codes(one)):
            wrong.append((name, one.volume.unit, codes(one)))
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2, 0, 16], "OD", b"\0\0\1\0"
    one = read(tmp_path, stored, SOPClassUID=CTImageStorage, ModalityLUTSequence=[table])
    assert one.volume.unit == "raw", "the type of a modality LUT counts as that of a rescale"
    assert not wrong


# ---- PET ----


def pet(**tags: Any) -> dict[str, Any]:
    tracer = Dataset()
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 370e6, 6586.2
    tracer.RadiopharmaceuticalStartTime = "080000"
    return {
        "SOPClassUID": PositronEmissionTomographyImageStorage, "Modality": "PT", "PatientWeight": 74.0,
        "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START", "SeriesDate": "20200101",
        "SeriesTime": "090000", "AcquisitionDate": "20200101", "AcquisitionTime": "090000",
        "RescaleSlope": 0.5, "RescaleIntercept": 0, "RadiopharmaceuticalInformationSequence": [tracer],
    } | tags  # fmt: skip


UPTAKE = np.arange(64, dtype=np.uint16).reshape(8, 8)
DECAYED = 74_000 / (370e6 * 2 ** (-3600 / 6586.2))  # g/ml in a Bq/ml


def test_pet_in_g_per_ml_is_suv(tmp_path: Path) -> None:
    wrong = []
    for units, kind, unit, said in (
        ("GML", None, "SUV", []), ("GML", "BW", "SUV", []), ("gml", None, "SUV", []),
        ("GML", "LBM", "SUV", ["suv_type"]), ("GML", "BSA", "raw", ["suv_unknown"]),
        ("CM2ML", "BSA", "raw", ["suv_unknown"]), ("CNTS", None, "raw", ["suv_unknown"]),
        ("PROPCPS", None, "raw", ["suv_unknown"]), (None, None, "raw", ["suv_unknown"]),
    ):  # fmt: skip
        if units == "gml":  # no code string, but seen
            path = save(dataset(UPTAKE, **pet(Units="GML")), tmp_path / "a.dcm")
            path.write_bytes(path.read_bytes().replace(b"GML ", b"gml "))
            one = read_dicom_series([path])[0][0]
        else:
            one = read(tmp_path, UPTAKE, **pet(Units=units, SUVType=kind))
        exact = np.allclose(one.volume.voxels[0], UPTAKE * 0.5)
        warned = [code for code in codes(one) if code.startswith("suv")]
        if (one.volume.unit, warned, exact) != (unit, said, True):
            wrong.append((units, kind, one.volume.unit, codes(one)))
    assert not wrong


def philips(elements: dict[int, str], *, creator: str = "Philips PET Private Group", block: int = 0x10) -> Any:
    made = dataset(UPTAKE, **pet(Units="CNTS"))
    made.add_new((0x7053, block), "LO", creator)
    for element, value in elements.items():
        made.add_new((0x7053, block * 0x100 + element), "DS", value)
    return made


def test_counts_become_suv_by_the_makers_own_factor(tmp_path: Path) -> None:
    """Philips keeps it in a private block, which is read where its creator reserved it and nowhere else."""
    wrong = []
    for name, made, factor in (
        ("to SUV", philips({0x00: "0.25"}), 0.25),
        ("to SUV, in another block", philips({0x00: "0.25"}, block=0x12), 0.25),
        ("to Bq/ml", philips({0x09: "2.0"}), 2.0 * DECAYED),
        ("to SUV is 0, to Bq/ml is not", philips({0x00: "0", 0x09: "2.0"}), 2.0 * DECAYED),
        ("another creator", philips({0x00: "0.25"}, creator="SOMEBODY"), None),
        ("neither", philips({}), None),
    ):
        one = read_dicom_series([save(made, tmp_path / "a.dcm")])[0][0]
        expected = UPTAKE * 0.5 * (1 if factor is None else factor)
        unit = "raw" if factor is None else "SUV"
        if one.volume.unit != unit or not np.allclose(one.volume.voxels[0], expected, rtol=1e-6):
            wrong.append((name, one.volume.unit))
    assert not wrong


def test_what_suv_lacks_is_named(tmp_path: Path) -> None:
    wrong = []
    for lacks, word in (
        ({"PatientWeight": None}, "PatientWeight"), ({"PatientWeight": 0}, "PatientWeight"),
        ({"CorrectedImage": ["ATTN"]}, "CorrectedImage"), ({"SeriesTime": None}, "time between injection and scan"),
        ({"RadiopharmaceuticalInformationSequence": None}, "RadionuclideTotalDose"),
        ({"RadiopharmaceuticalInformationSequence": []}, "RadionuclideTotalDose"),
    ):  # fmt: skip
        one = read(tmp_path, UPTAKE, **pet(Units="BQML", **lacks))
        if one.volume.unit != "raw" or word not in " ".join(one.volume.provenance.warnings):
            wrong.append((lacks, one.volume.provenance.warnings))
    assert not wrong


def test_padding_of_a_pet_is_in_suv_too(tmp_path: Path) -> None:
    stored = np.arange(100, 500, dtype=np.uint16).reshape(20, 20)
    stored[0] = 7
    one = read(tmp_path, stored, **pet(Units="BQML", PixelPaddingValue=7))
    assert one.volume.unit == "SUV"
    assert unpadded(one, one.volume.voxels).size == 380


# ---- radiographs that are not for display ----


def test_raw_detector_data_are_said_to_be(tmp_path: Path) -> None:
    wrong = []
    for modality, kind, intent, sign, said in (
        ("MG", None, "FOR PROCESSING", 1, "more exposure is a higher value"),
        ("MG", DigitalMammographyXRayImageStorageForProcessing, None, -1, "more exposure is a lower value"),
        ("DX", None, "FOR PROCESSING", None, "raw values"), ("CR", None, "FOR PROCESSING", None, "raw values"),
        ("MG", DigitalMammographyXRayImageStorageForPresentation, "FOR PRESENTATION", 1, None),
        ("DX", None, None, None, None),
    ):  # fmt: skip
        tags = {"PresentationIntentType": intent, "PixelIntensityRelationshipSign": sign}
        ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
        tags |= {"Modality": modality, "PixelIntensityRelationship": "LIN" if sign else None}
        one = read(tmp_path, ramp, **tags, **({} if kind is None else {"SOPClassUID": kind}))
        warned = [warning for warning in one.volume.provenance.warnings if warning.startswith("for_processing:")]
        if bool(warned) != (said is not None) or (warned and str(said) not in warned[0]):
            wrong.append((modality, intent, warned))
        # PhotometricInterpretation alone says which end is white.
        shown = make_views(one)[0].slices[0]
        assert shown[0, 0] < shown[-1, -1]
    assert not wrong


# ---- NIfTI ----

MILLIMETRES = np.array([[-2.0, 0, 0, 30], [0, -2, 0, 40], [0, 0, 5, -50], [0, 0, 0, 1]])


def scan(path: Path, code: int, factor: float, kind: Any = nib.Nifti1Image, data: Any = None) -> Path:
    """Twelve slices of 2 x 2 x 5 mm, written in another unit of length."""
    affine = MILLIMETRES.copy()
    affine[:3] *= factor
    voxels = np.arange(40 * 40 * 12, dtype=np.int16).reshape(40, 40, 12) - 1000 if data is None else data
    image = kind(voxels, affine)
    image.header["xyzt_units"] = code
    nib.save(image, path)
    return path


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_lengths_in_nifti_are_in_the_unit_that_the_header_states(tmp_path: Path, kind: Any) -> None:
    """nifti1.h: 1 metre, 2 millimetre, 3 micron, 0 unknown; the bits above are of time."""
    plain = read_nifti(scan(tmp_path / "mm.nii", 2, 1, kind), "MR").volume
    wrong = []
    for code, factor, said in (
        (1, 1e-3, ["converted_unit"]), (3, 1e3, ["converted_unit"]), (0, 1, []), (2 | 8, 1, []),
        (1 | 16, 1e-3, ["converted_unit"]), (3 | 24, 1e3, ["converted_unit"]), (5, 1, ["unknown_unit"]),
        (7, 1, ["unknown_unit"]),
    ):  # fmt: skip
        one = read_nifti(scan(tmp_path / f"{code}.nii", code, factor, kind), "MR")
        volume = one.volume
        assert volume.affine is not None
        assert plain.affine is not None
        near = np.allclose(volume.affine, plain.affine, rtol=1e-5)
        if not near or codes(one) != said or not np.allclose(volume.provenance.spacing or 0, (5, 2, 2), atol=1e-4):
            wrong.append((code, codes(one), volume.provenance.spacing))
        wrong += [] if len(make_views(one)[0].z) == 12 else [(code, "slices")]
    assert not wrong


def test_a_size_that_no_patient_has_is_doubted(tmp_path: Path) -> None:
    """Millimetres under the name of metres: the header is followed, as SimpleITK does, and said to be odd."""
    one = read_nifti(scan(tmp_path / "a.nii", 1, 1), "MR")
    assert codes(one) == ["converted_unit", "spacing_suspect"]


def test_masks_and_maps_are_in_millimetres_whatever_the_scans_unit(tmp_path: Path) -> None:
    labels = np.zeros((40, 40, 12), np.uint8)
    labels[10:20, 10:30, 3:6] = 1
    volumes = [
        abs(float(np.linalg.det(drawn.affine[:3, :3]))) * int(drawn.inside.sum()) / 1000
        for code, factor in ((2, 1), (1, 1e-3), (3, 1e3))
        for drawn in read_label_map(scan(tmp_path / f"{code}.nii", code, factor, data=labels))
    ]
    assert np.allclose(volumes, 10 * 20 * 3 * 2 * 2 * 5 / 1000, rtol=1e-5)
    volume = read_nifti(scan(tmp_path / "metres.nii", 1, 1e-3), "MR").volume
    assert volume.affine is not None
    written = nib.load(write_nifti(tmp_path / "map.nii", volume.voxels.astype(np.float32), volume.affine))
    assert written.header.get_xyzt_units()[0] == "mm"
    assert np.allclose(written.header.get_zooms(), (2, 2, 5), rtol=1e-5)
    assert np.allclose(spacing_zyx(volume.affine), (5, 2, 2), rtol=1e-5)


def test_uptake_in_nifti_is_suv_where_its_sidecar_says_so(tmp_path: Path) -> None:
    wrong = []
    for units, unit in (("GML", "SUV"), ("g/ml", "SUV"), ("SUV", "SUV"), ("Bq/mL", "raw"), (None, "raw")):
        path = scan(tmp_path / "sub-1_pet.nii", 2, 1)
        path.with_suffix(".json").write_text(json.dumps({} if units is None else {"Units": units}))
        one = read_nifti(path)
        if (one.modality, one.volume.unit, "suv_unknown" in codes(one)) != ("PT", unit, unit == "raw"):
            wrong.append((units, one.volume.unit, codes(one)))
    assert not wrong
