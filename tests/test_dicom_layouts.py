"""Pixel layouts that headers describe wrongly or not at all, and 8-bit pictures with a window: as dcmtk shows them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.uid import (
    CTImageStorage,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, save

Y, X = np.mgrid[:16, :24]
GREY = ((X * 9 + Y) % 256).astype(np.uint8)
DEEP = (X * 150 + Y).astype(np.uint16)
COLOUR = np.stack([X * 10 % 256, Y * 15 % 256, X * Y % 256], -1).astype(np.uint8)
needs_dcmtk = pytest.mark.skipif(shutil.which("dcm2pnm") is None, reason="dcm2pnm is not installed (Debian: dcmtk)")


def ultrasound(pixels: NDArray[Any], **tags: Any) -> FileDataset:
    common = {"SOPClassUID": UltrasoundImageStorage, "Modality": "US", "BurnedInAnnotation": "NO"}
    return dataset(pixels, **(common | tags))


def capture(pixels: NDArray[Any], **tags: Any) -> FileDataset:
    common = {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT", "BurnedInAnnotation": "NO"}
    return dataset(pixels, **(common | tags))


def read(found: FileDataset, path: Path) -> Series:
    series, skipped = read_dicom_series([save(found, path)])
    assert not skipped, skipped
    return series[0]


def shown(series: Series) -> NDArray[np.uint8]:
    return make_views(series)[0].slices[0]


def by_dcmtk(path: Path, *options: str) -> NDArray[np.int64]:
    """What dcm2pnm shows of the first frame."""
    target = path.with_suffix(".ppm")
    subprocess.run(["dcm2pnm", *options, str(path), str(target)], check=True, capture_output=True)
    return np.asarray(Image.open(target)).astype(np.int64)


def packed(bits: NDArray[np.uint8]) -> bytes:
    data = np.packbits(bits.ravel(), bitorder="little").tobytes()
    return data + b"\0" * (len(data) % 2)


def palette(count: int, bits: int, data: Any, first: int = 0) -> dict[str, Any]:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for times, name in enumerate(("Red", "Green", "Blue"), start=1):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [count, first, bits]
        tags[f"{name}PaletteColorLookupTableData"] = data(times)
    return tags


def ybr_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB to full-range YBR (PS3.3 C.7.6.3.1.2)."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def screen() -> NDArray[np.uint8]:
    """A screen as ultrasound shows it: black, a grey fan, a little colour."""
    made = np.zeros((48, 64, 3), np.uint8)
    made[8:40, 8:56] = np.random.default_rng(0).integers(20, 200, (32, 48, 1))
    made[20:28, 20:28] = (200, 40, 30)
    return made


def test_422_in_name_only_is_read_by_what_the_bytes_are(tmp_path: Path) -> None:
    """Three bytes a pixel are no 4:2:2.

    dcmtk 3.6.7 and SimpleITK 2.5.7 take the first two thirds for it, and show a scrambled picture.
    """
    rgb = screen()
    wrong = []
    for name, stored, planar in (
        ("RGB", rgb, 0), ("YBR_FULL", ybr_of(rgb), 0), ("RGB", rgb.transpose(2, 0, 1), 1),
        ("YBR_FULL", ybr_of(rgb).transpose(2, 0, 1), 1),
    ):  # fmt: skip
        tags = {"PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": planar}
        one = read(ultrasound(rgb, **tags, PixelData=np.ascontiguousarray(stored).tobytes()), tmp_path / "a.dcm")
        said = [warning for warning in one.volume.provenance.warnings if warning.endswith(f"read as {name}")]
        if np.abs(one.volume.voxels[0].astype(int) - rgb).max() > 3 or not said:
            wrong.append((name, planar, one.volume.provenance.warnings))
    frames = np.stack([rgb, rgb[::-1]])
    cine = ultrasound(rgb, PhotometricInterpretation="YBR_FULL_422", NumberOfFrames=2, PixelData=frames.tobytes())
    assert np.array_equal(read(cine, tmp_path / "cine.dcm").volume.voxels, frames)
    assert not wrong


@needs_dcmtk
def test_422_in_a_buffer_of_three_bytes_a_pixel_is_422(tmp_path: Path) -> None:
    """Where the last third is empty the name is true; dcmtk shows the same, but for its rounding."""
    pairs = COLOUR.reshape(16, 12, 2, 3)
    data = np.stack([pairs[:, :, 0, 0], pairs[:, :, 1, 0], pairs[:, :, 0, 1], pairs[:, :, 0, 2]], -1).tobytes()
    whole = data + bytes(len(data) // 2)
    one = read(ultrasound(COLOUR, PhotometricInterpretation="YBR_FULL_422", PixelData=whole), tmp_path / "a.dcm")
    assert np.abs(by_dcmtk(tmp_path / "a.dcm") - one.volume.voxels[0]).max() <= 2


@pytest.mark.slow
@needs_dcmtk
def test_layouts_are_shown_as_dcmtk_shows_them(tmp_path: Path) -> None:
    """To the level; colour of few bits, YBR and shifted bits to the rounding that dcmtk does otherwise."""
    two = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    one_bit = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 3}
    root = np.sqrt(np.linspace(0, 1, 256)) * 255

    def entries(form: str, scale: int = 1) -> Any:
        return lambda times: (np.clip(root * times / 3, 0, 255).astype(np.int64) * scale).astype(form).tobytes()

    cases: dict[str, tuple[FileDataset, float, tuple[str, ...]]] = {
        "odd length": (ultrasound(GREY[:5, :7]), 0, ()),
        "odd length in colour": (ultrasound(COLOUR[:5, :7]), 0, ()),
        "bytes after the pixels": (ultrasound(GREY, PixelData=GREY.tobytes() + b"\1\2\3\4"), 0, ()),
        "colour by plane": (
            ultrasound(COLOUR, PlanarConfiguration=1, PixelData=COLOUR.transpose(2, 0, 1).tobytes()), 0, (),
        ),
        "YBR by pixel": (ultrasound(COLOUR, PhotometricInterpretation="YBR_FULL"), 2, ()),
        "colour of 16 bits": (ultrasound(COLOUR.astype(np.uint16) * 257), 0, ()),
        "colour of 7 bits": (ultrasound(COLOUR >> 1, BitsStored=7, HighBit=6), 1, ()),
        "signed bytes": (ultrasound((GREY.astype(int) - 128).astype(np.int8)), 0, ()),
        "16 allocated, 8 stored": (ultrasound(GREY.astype(np.uint16), BitsStored=8, HighBit=7), 0, ()),
        "palette of 8 bits": (ultrasound(GREY, **palette(256, 8, entries("u1"))), 0, ()),
        "palette of 16 bits": (ultrasound(GREY, **palette(256, 16, entries("<u2", 257))), 0, ()),
        "palette of bytes in words": (ultrasound(GREY, **palette(256, 8, entries("<u2"))), 0, ()),
        "palette that starts at 20": (ultrasound(GREY, **palette(256, 8, entries("u1"), first=20)), 0, ()),
        "window of its own": (ultrasound(GREY, WindowCenter=50, WindowWidth=100), 1, ("+Wi", "1")),
        "window of a capture": (capture(GREY, WindowCenter=90, WindowWidth=60), 1, ("+Wi", "1")),
        "high bit 15 of 12 stored, window": (
            ultrasound(DEEP << 4, BitsStored=12, HighBit=15, WindowCenter=1500, WindowWidth=1000), 1, ("+Wi", "1"),
        ),
    }  # fmt: skip
    for bits in range(2, 8):  # dcmtk spreads them by shifting: 3 of 7 is 96 there and 109 here
        made = ultrasound(GREY >> (8 - bits), BitsStored=bits, HighBit=bits - 1)
        cases[f"{bits} bits"] = (made, 256 >> bits, ())
    cases["1 bit in bytes"] = (capture(GREY >> 7, BitsStored=1, HighBit=0), 127, ())
    cases["1 bit packed"] = (capture(two, **one_bit, PixelData=packed(two)), 127, ())
    wrong = {}
    for name, (made, tolerance, options) in cases.items():
        ours = shown(read(made, tmp_path / "a.dcm")).astype(np.int64)
        far = int(np.abs(by_dcmtk(tmp_path / "a.dcm", *options) - ours).max())
        if far > tolerance:
            wrong[name] = far
    assert not wrong


def test_few_bits_fill_the_display(tmp_path: Path) -> None:
    wrong = []
    for bits in range(1, 8):
        values = (np.arange(256) % (1 << bits)).astype(np.uint8).reshape(16, 16)
        found = shown(read(capture(values, BitsStored=bits, HighBit=bits - 1), tmp_path / "a.dcm"))
        if not np.array_equal(found, np.floor(values / ((1 << bits) - 1) * 255 + 0.5)):
            wrong.append(bits)
    inverted = capture(GREY >> 7, BitsStored=1, HighBit=0, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(shown(read(inverted, tmp_path / "b.dcm")), 255 - (GREY >> 7) * 255)
    assert not wrong


def test_what_a_header_leaves_out_is_taken_from_the_rest(tmp_path: Path) -> None:
    """Each is read as with the tag in place, and said."""
    wrong = []
    for pixels, tags in (
        (GREY, {"BitsStored": None, "HighBit": None}), (GREY, {"PixelRepresentation": None}),
        (GREY, {"PhotometricInterpretation": None}), (COLOUR, {"PhotometricInterpretation": None}),
        (COLOUR, {"PlanarConfiguration": None}), (GREY, {"BitsStored": 12, "HighBit": 11}),
        (GREY, {"PhotometricInterpretation": "RGB"}), (GREY, {"PhotometricInterpretation": "YBR_FULL_422"}),
        (COLOUR, {"PhotometricInterpretation": "MONOCHROME2"}), (GREY, {"BitsAllocated": None}),
        (DEEP, {"BitsStored": 12, "HighBit": 15}),
    ):  # fmt: skip
        one = read(ultrasound(pixels, **tags), tmp_path / "a.dcm")
        said = [warning.split(":")[0] for warning in one.volume.provenance.warnings]
        if not np.array_equal(one.volume.voxels[0], pixels) or said != ["pixel_header"]:
            wrong.append((tags, said))
    assert not wrong


def test_stored_bits_that_end_at_the_high_bit(tmp_path: Path) -> None:
    """PS3.5 8.1.1; overlay bits below them are no values, and a signed value keeps its sign."""
    signed = (DEEP.astype(int) - 1800).astype(np.int16)
    wrong = []
    for name, pixels, expected in (
        ("unsigned", DEEP << 4, DEEP), ("overlay below", (DEEP << 4) | 1, DEEP), ("signed", signed << 4, signed),
        ("signed, where the header errs", signed, signed),
    ):  # fmt: skip
        one = read(dataset(pixels, Modality="MR", BitsStored=12, HighBit=15), tmp_path / "a.dcm")
        wrong += [] if np.array_equal(one.volume.voxels[0], expected) else [name]
    assert not wrong


def test_a_picture_without_a_sane_window_stays_as_it_is(tmp_path: Path) -> None:
    """A window wider than a byte is left over from before the picture was made."""
    wrong = []
    for center, width in ((40, 400), (2048, 4096), (128, 0), (900, 50), (128, 256)):
        one = read(ultrasound(GREY, WindowCenter=center, WindowWidth=width), tmp_path / "a.dcm")
        wrong += [] if np.array_equal(shown(one), GREY) else [(center, width)]
    table = dataset(None)
    table.LUTDescriptor, table.LUTData = [256, 0, 8], bytes(range(255, -1, -1))
    assert np.array_equal(shown(read(ultrasound(GREY, VOILUTSequence=[table]), tmp_path / "b.dcm")), 255 - GREY)
    assert not wrong


def test_palettes_of_odd_shape(tmp_path: Path) -> None:
    """Entries of 8 bits that a descriptor of 16 announces, and fewer than it announces."""
    indices = np.arange(200, dtype=np.uint8).reshape(10, 20)
    low = lambda times: (np.arange(256) * times // 3).astype("<u2").tobytes()  # noqa: E731
    short = lambda times: (np.arange(200) * times // 3).astype(np.uint8).tobytes()  # noqa: E731
    for tags in (palette(256, 16, low), palette(256, 8, short)):
        one = read(ultrasound(indices, **tags), tmp_path / "a.dcm")
        expected = np.stack([indices.astype(int) * times // 3 for times in (1, 2, 3)], -1)
        assert np.array_equal(one.volume.voxels[0], expected)
        assert one.volume.provenance.warnings[0].startswith("lut_mended: palette")


def test_a_refusal_says_what_is_true_of_the_file(tmp_path: Path) -> None:
    """Nobody is told to decompress what is not compressed, and no sentence ends in the middle of a word."""
    path = save(ultrasound(GREY, PhotometricInterpretation="PALETTE COLOR"), tmp_path / "a.dcm")
    message = read_dicom_series([path])[1][0].message
    assert "without a palette" in message
    assert "if it is compressed" in message


def test_compressed_pixels_without_a_frame_are_cut_short(tmp_path: Path) -> None:
    """An encapsulated value that holds nothing: a reason and a sentence, not an empty one."""
    for syntax in (JPEGExtended12Bit, JPEGBaseline8Bit, RLELossless):
        made = ultrasound(GREY, syntax=syntax)
        made.PixelData = b"\xfe\xff\x00\xe0" + bytes(4)  # an empty offset table, and no fragment
        made["PixelData"].is_undefined_length = True
        (line,) = read_dicom_series([save(made, tmp_path / "a.dcm")])[1]
        assert line.reason_code in (Reason.TRUNCATED, Reason.DECODE_FAILED), (syntax.name, line)
        assert len(line.message) > 40, line


def test_a_picture_of_a_ct_is_no_ct(tmp_path: Path) -> None:
    """8 bits, or grey levels that only fill them: raw, and shown as presented; Hounsfield units need a rescale."""
    ct = {"SOPClassUID": CTImageStorage, "Modality": "CT", "RescaleSlope": 1}
    wrong = []
    for name, pixels, tags in (
        ("a capture", GREY, {"SOPClassUID": SecondaryCaptureImageStorage}),
        ("8 bits as CT", GREY, {"RescaleIntercept": 0}),
        ("8 bits said to be HU", GREY, {"RescaleIntercept": 0, "RescaleType": "HU"}),
        ("16 bits, levels of a byte", GREY.astype(np.int16), {"RescaleIntercept": 0}),
    ):
        one = read(dataset(pixels, **(ct | tags)), tmp_path / "a.dcm")
        names = [view.name for view in make_views(one)]
        said = [warning.split(":")[0] for warning in one.volume.provenance.warnings]
        if one.volume.unit != "raw" or names != ["capture"] or "not_hu" not in said:
            wrong.append((name, one.volume.unit, names, said))
        if not np.array_equal(shown(one), GREY):
            wrong.append((name, "not as it is"))
    assert not wrong
    windowed = read(dataset(GREY, **ct, WindowCenter=90, WindowWidth=60), tmp_path / "b.dcm")
    assert shown(windowed).max() == 255
