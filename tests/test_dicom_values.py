"""What the numbers mean: rescale once, HU, SUV, inversion, colour, odd depths; nothing escapes as an exception."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, functional_group, save, series, shared_group, stack_positions
from tests.each_support import each


def only(paths: list[Path]) -> Series:
    found, skipped = read_dicom_series(paths)
    assert not skipped, skipped
    assert len(found) == 1
    return found[0]


def picture(path: Path, pixels: Any, **tags: Any) -> Series:
    return only([save(dataset(pixels, **tags), path / "a.dcm")])


def body(offset: int = 1024) -> np.ndarray[Any, Any]:
    """Stored values of a crude slice: air around, tissue inside, as most scanners store it."""
    image = np.full((32, 32), -1000 + offset, np.int16)
    image[8:24, 8:24] = 40 + offset
    return image


def suspects(one: Series) -> list[str]:
    return [w for w in one.volume.provenance.warnings if w.startswith("hu_suspect")]


def test_ct_is_rescaled_once_to_int16(tmp_path: Path) -> None:
    one = picture(tmp_path, body(), RescaleSlope=1, RescaleIntercept=-1024)
    assert (one.volume.unit, one.volume.voxels.dtype, one.volume.provenance.rescale) == ("HU", np.int16, "rescale")
    assert np.array_equal(one.volume.voxels[0], body(0))
    assert not suspects(one)


@pytest.mark.parametrize(("offset", "intercept"), [(0, -1024), (1024, 0)])
def test_twice_or_never_rescaled_is_suspect(tmp_path: Path, offset: int, intercept: int) -> None:
    one = picture(tmp_path, body(offset), RescaleSlope=1, RescaleIntercept=intercept)
    assert suspects(one)


def test_ct_without_rescale_is_hu_only_where_it_reaches_air(tmp_path: Path) -> None:
    assert picture(tmp_path / "a", body(0)).volume.unit == "HU"
    unknown = picture(tmp_path / "b", body(1024))
    assert unknown.volume.unit == "raw"
    assert suspects(unknown)


def test_other_rescale_types_are_not_hu(tmp_path: Path) -> None:
    one = picture(tmp_path, body(), RescaleSlope=1, RescaleIntercept=0, RescaleType="Z_EFF")
    assert one.volume.unit == "raw"


@pytest.mark.parametrize(("kind", "unit"), [("DERIVED", "raw"), ("ORIGINAL", "HU")])
def test_a_perfusion_map_is_not_hu(tmp_path: Path, kind: str, unit: str) -> None:
    image_type = [kind, "PRIMARY", "PERFUSION", "RCBF" if kind == "DERIVED" else "NONE"]
    one = picture(tmp_path, body(), RescaleSlope=1, RescaleIntercept=-1024, ImageType=image_type)
    assert one.volume.unit == unit


@settings(max_examples=30, deadline=None)
@given(
    pixels=hnp.arrays(np.uint16, (3, 4)), slope=st.sampled_from([1.0, 2.0, 0.5, 1e-3, 1e6, -1.0]),
    intercept=st.sampled_from([0.0, -1024.0, 0.25, 1e9]),
)  # fmt: skip
def test_rescale_is_the_formula(
    tmp_path_factory: pytest.TempPathFactory, pixels: Any, slope: float, intercept: float
) -> None:
    one = picture(tmp_path_factory.mktemp("r"), pixels, Modality="MR", RescaleSlope=slope, RescaleIntercept=intercept)
    exact = pixels.astype(np.float64) * slope + intercept
    assert np.allclose(one.volume.voxels[0], exact, rtol=1e-6)
    if one.volume.voxels.dtype.kind == "i":
        assert np.array_equal(one.volume.voxels[0], exact)


def test_slopes_that_differ_by_slice_are_each_applied(tmp_path: Path) -> None:
    each = [{"RescaleSlope": slope, "RescaleIntercept": 0} for slope in (1, 0.5, 2)]
    pixels = [np.full((4, 6), 10, np.uint16)] * 3
    one = only(series(tmp_path, stack_positions(3), pixels=pixels, each=each, Modality="PT"))
    assert one.volume.voxels[:, 0, 0].tolist() == [10.0, 5.0, 20.0]
    assert one.volume.voxels.dtype == np.float32
    assert one.volume.provenance.rescale == "per_frame"


def test_a_modality_table_is_looked_up(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "US"
    table.LUTData = np.array([100, 200, 400, 800], "<u2").tobytes()
    pixels = np.array([[0, 1], [2, 3]], np.uint16)
    one = picture(tmp_path, pixels, Modality="DX", ModalityLUTSequence=[table])
    assert one.volume.voxels[0].tolist() == [[100, 200], [400, 800]]
    assert one.volume.provenance.rescale == "modality_lut"


def test_padding_stays_and_is_said(tmp_path: Path) -> None:
    stored = body()
    stored[0] = -2000
    one = picture(tmp_path, stored, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=-2000)
    assert one.volume.voxels.min() == -3024
    assert one.attributes["PixelPaddingValue"] == "-3024"
    assert any(w.startswith("padding:") for w in one.volume.provenance.warnings)


def pet(**tags: Any) -> dict[str, Any]:
    tracer = Dataset()
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 370e6, 6586.2
    tracer.RadiopharmaceuticalStartTime = "080000"
    return {
        "SOPClassUID": PositronEmissionTomographyImageStorage, "Modality": "PT", "Units": "BQML", "PatientWeight": 74.0,
        "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START", "SeriesDate": "20200101",
        "SeriesTime": "090000", "AcquisitionDate": "20200101", "AcquisitionTime": "090000",
        "RescaleSlope": 2.0, "RescaleIntercept": 0, "RadiopharmaceuticalInformationSequence": [tracer],
    } | tags  # fmt: skip


def test_suv_is_activity_by_weight_and_decayed_dose(tmp_path: Path) -> None:
    one = picture(tmp_path, np.full((4, 4), 5000, np.uint16), **pet())
    left = 370e6 * 2 ** (-3600 / 6586.2)
    assert one.volume.unit == "SUV"
    assert one.volume.voxels[0, 0, 0] == pytest.approx(10_000 * 74_000 / left, rel=1e-6)


def test_an_injection_before_midnight_is_the_day_before(tmp_path: Path) -> None:
    tags = pet(SeriesTime="003000", AcquisitionTime="003000")
    tags["RadiopharmaceuticalInformationSequence"][0].RadiopharmaceuticalStartTime = "233000"
    one = picture(tmp_path, np.full((4, 4), 5000, np.uint16), **tags)
    left = 370e6 * 2 ** (-3600 / 6586.2)
    assert one.volume.voxels[0, 0, 0] == pytest.approx(10_000 * 74_000 / left, rel=1e-6)


@each(
    "lacks",
    [
        {"PatientWeight": None}, {"Units": "CNTS"}, {"CorrectedImage": ["ATTN"]}, {"DecayCorrection": "NONE"},
        {"SeriesTime": None}, {"RadiopharmaceuticalInformationSequence": None}, {"AcquisitionTime": "085000"},
    ],
)  # fmt: skip
def test_suv_is_never_guessed(tmp_path: Path, lacks: dict[str, Any]) -> None:
    one = picture(tmp_path, np.full((4, 4), 5000, np.uint16), **pet(**lacks))
    assert one.volume.unit == "raw"
    assert one.volume.voxels[0, 0, 0] == 10_000


def test_monochrome1_is_recorded_not_applied(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    tags = {"WindowCenter": ["6", "9"], "WindowWidth": ["12", "3"]}
    one = picture(tmp_path, pixels, Modality="DX", PhotometricInterpretation="MONOCHROME1", **tags)
    assert one.volume.provenance.inverted
    assert np.array_equal(one.volume.voxels[0], pixels)
    assert one.voi is not None
    assert (one.voi.center, one.voi.width, one.voi.function) == (6.0, 12.0, "LINEAR")


def test_a_voi_table_is_carried(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 100, 12]
    table.LUTData = np.array([0, 1000, 3000, 4095], "<u2").tobytes()
    one = picture(tmp_path, np.full((4, 4), 101, np.uint16), Modality="DX", VOILUTSequence=[table])
    assert one.voi is not None
    assert one.voi.lut is not None
    assert one.voi.lut_first == 100
    assert one.voi.lut.tolist() == pytest.approx([0, 1000 / 4095, 3000 / 4095, 1])


def test_colour_is_rgb_of_8_bits(tmp_path: Path) -> None:
    deep = np.zeros((4, 4, 3), np.uint16)
    deep[..., 0] = 65_535
    one = picture(tmp_path, deep, Modality="US")
    assert one.volume.voxels.shape == (1, 4, 4, 3)
    assert one.volume.voxels[0, 0, 0].tolist() == [255, 0, 0]


def test_a_palette_is_applied(tmp_path: Path) -> None:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(("Red", "Green", "Blue"), ([0, 255], [0, 128], [0, 64]), strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [2, 0, 8]
        tags[f"{name}PaletteColorLookupTableData"] = bytes(table)
    one = picture(tmp_path, np.array([[0, 1]], np.uint8), Modality="US", **tags)
    assert one.volume.voxels[0, 0].tolist() == [[0, 0, 0], [255, 128, 64]]


def test_bits_above_those_stored_are_not_values(tmp_path: Path) -> None:
    stored = np.array([[0xF123, 0x0FFF]], np.uint16)  # overlay bits above 12
    one = picture(tmp_path, stored, Modality="MR", BitsStored=12, HighBit=11)
    assert one.volume.voxels[0, 0].tolist() == [0x123, 0xFFF]


def test_one_bit_a_pixel(tmp_path: Path) -> None:
    bits = np.array([[1, 0, 1, 1, 0, 0, 0, 1]] * 2, np.uint8)
    tags = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Modality": "OT"}
    found = dataset(bits, **tags)
    found.PixelData = np.packbits(bits, bitorder="little").tobytes()
    assert np.array_equal(only([save(found, tmp_path / "a.dcm")]).volume.voxels[0], bits)


def test_enhanced_frames_are_placed_and_rescaled_one_by_one(tmp_path: Path) -> None:
    heights = (4, 0, 2)
    pixels = np.stack([np.full((4, 6), 1000 + h, np.uint16) for h in heights])
    groups = [functional_group((0, 0, h), slope=1, intercept=-1000 - 10 * h) for h in heights]
    one = picture(
        tmp_path, pixels, SOPClassUID=EnhancedCTImageStorage, PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=[shared_group()],
    )  # fmt: skip
    assert one.volume.voxels[:, 0, 0].tolist() == [0, -18, -36]
    assert one.volume.provenance.rescale == "per_frame"
    assert one.volume.provenance.spacing == (2.0, 0.5, 0.75)


def test_a_cine_is_z_without_geometry(tmp_path: Path) -> None:
    pixels = np.stack([np.full((4, 6), k, np.uint8) for k in range(5)])
    one = picture(tmp_path, pixels, Modality="XA", ImagePositionPatient=[0, 0, 0])
    assert one.volume.affine is None
    assert one.volume.voxels[:, 0, 0].tolist() == [0, 1, 2, 3, 4]


@each(
    ("tags", "code"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Reason.LOCALIZER),
        ({"SOPClassUID": EncapsulatedPDFStorage}, Reason.NOT_AN_IMAGE),
        ({"SOPClassUID": SegmentationStorage, "Modality": "SEG"}, Reason.NOT_AN_IMAGE),
        ({"Modality": "RTSTRUCT"}, Reason.NOT_AN_IMAGE),
        ({"BurnedInAnnotation": "YES"}, Reason.BURNED_IN),
        ({"PixelData": None}, Reason.NO_PIXELS),
    ],
)
def test_what_is_no_image_to_search_is_skipped(tmp_path: Path, tags: dict[str, Any], code: Reason) -> None:
    found, skipped = read_dicom_series([save(dataset(body(), **tags), tmp_path / "a.dcm")])
    assert not found
    assert [line.reason_code for line in skipped] == [code]


def test_a_capture_may_show_names(tmp_path: Path) -> None:
    tags = {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT"}
    silent = picture(tmp_path / "a", np.eye(4, dtype=np.uint8), **tags)
    clean = picture(tmp_path / "b", np.eye(4, dtype=np.uint8), BurnedInAnnotation="NO", **tags)
    assert silent.modality == "SC"
    assert [w.split(":")[0] for w in silent.volume.provenance.warnings] == ["burned_in_possible"]
    assert not clean.volume.provenance.warnings


def test_words_of_the_header_travel(tmp_path: Path) -> None:
    one = picture(
        tmp_path, body(), BodyPartExamined="", SeriesDescription="CT Chest/Abd W CONTRAST", PatientID="P1",
        PatientBirthDate="19500615", StudyDate="20200101", ContrastBolusAgent="Iohexol", ConvolutionKernel="B30f",
        RescaleSlope=1, RescaleIntercept=-1024,
    )  # fmt: skip
    assert one.body_part == "chest_abdomen"
    assert one.attributes["PatientAge"] == "069Y"
    assert one.attributes["ContrastBolusAgent"] == "Iohexol"
    assert "PatientBirthDate" not in one.attributes
    again = pickle.loads(pickle.dumps(one))
    assert np.array_equal(again.volume.voxels, one.volume.voxels)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_pixels_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Constant, 1x1, huge, NaN-bearing, colour, odd depths: a Series or a reason code, never an exception."""
    kind = data.draw(st.sampled_from(["u1", "u2", "i2", "u4", "i4", "f4", "f8"]))
    shape = data.draw(st.sampled_from([(1, 1), (1, 7), (5, 3), (2, 3, 4)]))
    if kind[0] != "f" and data.draw(st.booleans()):
        shape = (*shape[-2:], 3)
    pixels = data.draw(hnp.arrays(np.dtype(kind), shape))
    tags = {
        "Modality": data.draw(st.sampled_from(["CT", "MR", "PT", "US", "DX", "", "OT"])),
        "RescaleSlope": data.draw(st.sampled_from([None, "1", "0", "1e30", "-2.5"])),
        "RescaleIntercept": data.draw(st.sampled_from([None, "-1024", "1e30"])),
        "WindowWidth": data.draw(st.sampled_from([None, "0", "400"])),
        "PixelPaddingValue": None if kind[0] == "f" else data.draw(st.sampled_from([None, 0])),
    }
    path = save(dataset(pixels, **tags), tmp_path_factory.mktemp("any") / "a.dcm")
    found, skipped = read_dicom_series([path])
    assert len(found) + len(skipped) == 1
    for one in found:
        assert one.volume.voxels.dtype in (np.int16, np.int32, np.float32, np.uint8)
        assert one.volume.voxels.ndim == (4 if one.volume.is_colour else 3)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Bytes changed, cut out or doubled anywhere in a file: never an exception."""
    folder = tmp_path_factory.mktemp("damaged")
    tags = {"SOPInstanceUID": "1.2.3.4.5", "RescaleSlope": 1, "RescaleIntercept": -1024}
    whole = bytearray(series(folder, [(0, 0, 0)], **tags)[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(132, len(whole) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "double"]))
        if how == "set":
            whole[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del whole[at : at + data.draw(st.integers(1, 8))]
        else:
            whole[at:at] = whole[at : at + 8]
    path = folder / "damaged.dcm"
    path.write_bytes(whole)
    found, skipped = read_dicom_series([path])
    assert len(found) + len(skipped) >= 1
