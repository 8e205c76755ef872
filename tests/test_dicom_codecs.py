"""Every file that pydicom ships and every codec sample: read or skipped with a code, pixels equal to dcmtk's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.dicom_header import read_header
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.dicom.pixels import decode_file
from tests.conftest import DATA
from tests.each_support import each

PACKAGE = Path(pydicom.__file__).parent / "data"
SHIPPED = sorted(p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc"))
CODECS = DATA / "dicom_codecs"
SAMPLES = sorted(CODECS.iterdir()) if CODECS.is_dir() else []

# What decides whether a shipped file is read: those that are not, and why.
TEST_FILES = PACKAGE / "test_files"
EXPECTED = {
    "MR_truncated.dcm": Reason.TRUNCATED,
    "JPEG2000-embedded-sequence-delimiter.dcm": Reason.TOO_LARGE,
    "reportsi.dcm": Reason.NOT_AN_IMAGE,
    "rtdose.dcm": Reason.NOT_AN_IMAGE,
    "rtplan.dcm": Reason.NOT_AN_IMAGE,
    "rtstruct.dcm": Reason.NOT_AN_IMAGE,
    "waveform_ecg.dcm": Reason.NOT_AN_IMAGE,
    "liver_1frame.dcm": Reason.NOT_AN_IMAGE,
    "DICOMDIR-nopatient": Reason.NOT_AN_IMAGE,
    "UN_sequence.dcm": Reason.NO_PIXELS,
    "zipMR.gz": Reason.NOT_DICOM,
    "rtplan.dump": Reason.NOT_DICOM,
}
UNREAD = {"UN_sequence.dcm", "rtdose_rle.dcm", "rtdose_rle_1frame.dcm"}

# The last part of the transfer syntax UID, and the dcmtk tool that decodes it.
TOOLS = {
    ".4.50": "dcmdjpeg", ".4.51": "dcmdjpeg", ".4.57": "dcmdjpeg", ".4.70": "dcmdjpeg",
    ".4.80": "dcmdjpls", ".4.81": "dcmdjpls", ".1.2.5": "dcmdrle",
}  # fmt: skip
# dcmtk refuses this one: 7 bits stored in an 8-bit codestream.
NOT_FOR_DCMTK = {"JLSL_08_07_0_1F.dcm", "SC_rgb_jpeg.dcm"}


def tool_for(path: Path) -> str | None:
    try:
        syntax = str(read_header(path).file_meta.TransferSyntaxUID)
    except ValueError:
        return None
    return next((tool for end, tool in TOOLS.items() if syntax.endswith(end)), None)


def compressed() -> list[object]:
    known = [(path, tool_for(path)) for path in (*sorted(TEST_FILES.glob("*.dcm")), *SAMPLES)]
    return [
        pytest.param(path, tool, id=path.name)
        for path, tool in known
        if tool and path.name not in NOT_FOR_DCMTK | UNREAD
    ]


@pytest.mark.slow
@each("path", [*SHIPPED, *SAMPLES], ids=lambda p: p.name)
def test_every_file_is_read_or_has_a_reason(path: Path) -> None:
    series, skipped = read_dicom_series([path])
    assert bool(series) != bool(skipped)
    for one in series:
        volume = one.volume
        assert volume.voxels.ndim == (4 if volume.is_colour else 3)
        assert volume.voxels.dtype in (np.int16, np.int32, np.float32, np.uint8)
        assert volume.affine is None or np.isfinite(volume.affine).all()
    for line in skipped:
        assert line.path == str(path)
        assert ";" in line.message, "the rule, then what to do"


@each(("name", "code"), EXPECTED.items())
def test_known_oddities_have_their_code(name: str, code: Reason) -> None:
    _, skipped = read_dicom_series([next(p for p in SHIPPED if p.name == name)])
    assert [line.reason_code for line in skipped] == [code]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [TEST_FILES, PACKAGE / "charset_files"], ids=lambda p: p.name)
def test_a_folder_of_everything_accounts_for_every_file(folder: Path) -> None:
    """All files as if they were one study: what is not skipped gave a series, or repeats a position of one."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    series, skipped = read_dicom_series(files)
    lines = [line.path for line in skipped]
    assert series
    assert len(set(lines)) == len(lines)
    assert set(lines) <= {str(p) for p in files}
    again = read_dicom_series(files[::-1])
    assert [one.uid for one in again[0]] == [one.uid for one in series]
    assert [line.path for line in again[1]] == lines


@pytest.mark.slow
@each(("path", "tool"), compressed())
def test_pixels_equal_dcmtk(path: Path, tool: str, tmp_path: Path) -> None:
    """Exact for the lossless and, with these codecs, for the lossy too: 12-bit extended JPEG among them."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian package dcmtk)")
    plain = tmp_path / "plain.dcm"
    done = subprocess.run([tool, str(path), str(plain)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(decode_file(path), decode_file(plain))


def test_twelve_bit_jpeg_is_among_those_compared() -> None:
    names = {param.id for param in compressed()}  # type: ignore[attr-defined]
    assert {"JPEG-lossy.dcm", "JPGExtended.dcm"} <= names


SAME = [
    ("package", "MR_small_jp2klossless.dcm", "package", "MR_small.dcm"),
    ("package", "MR_small_bigendian.dcm", "package", "MR_small.dcm"),
    ("package", "MR_small_implicit.dcm", "package", "MR_small.dcm"),
    ("package", "MR_small_jpeg_ls_lossless.dcm", "package", "MR_small.dcm"),
    ("package", "SC_rgb_gdcm_KY.dcm", "package", "SC_rgb_rle.dcm"),
]
SAME_SAMPLES = [
    ("codecs", "693_J2KR.dcm", "codecs", "693_UNCR.dcm"),
    ("package", "693_J2KI.dcm", "codecs", "693_UNCI.dcm"),
    ("codecs", "emri_small_jpeg_2k_lossless.dcm", "codecs", "emri_small.dcm"),
    ("codecs", "emri_small_jpeg_ls_lossless.dcm", "codecs", "emri_small.dcm"),
    ("codecs", "emri_small_big_endian.dcm", "codecs", "emri_small.dcm"),
    ("codecs", "emri_small_RLE.dcm", "codecs", "emri_small.dcm"),
    ("codecs", "JLSL_RGB_ILV0.dcm", "codecs", "JLSL_RGB_ILV1.dcm"),
    ("codecs", "JLSL_RGB_ILV0.dcm", "codecs", "JLSL_RGB_ILV2.dcm"),
    ("package", "examples_jpeg2k.dcm", "codecs", "US1_J2KR.dcm"),
]
FOLDERS = {"package": TEST_FILES, "codecs": CODECS}


@pytest.mark.slow
@each(("a", "name", "b", "twin"), SAME)
def test_pixels_equal_the_uncompressed_twin(a: str, name: str, b: str, twin: str) -> None:
    assert np.array_equal(decode_file(FOLDERS[a] / name), decode_file(FOLDERS[b] / twin))


@pytest.mark.real_data
@each(("a", "name", "b", "twin"), SAME_SAMPLES)
def test_sample_pixels_equal_the_uncompressed_twin(a: str, name: str, b: str, twin: str) -> None:
    assert np.array_equal(decode_file(FOLDERS[a] / name), decode_file(FOLDERS[b] / twin))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("lossy", "lossless", "mean"),
    [("HTJ2K_08_RGB.dcm", "HTJ2KLossless_08_RGB.dcm", 1.0), ("US1_J2KI.dcm", "US1_J2KR.dcm", 2.0)],
)
def test_lossy_jpeg_2000_is_near_its_lossless_twin(lossy: str, lossless: str, mean: float) -> None:
    a, b = decode_file(CODECS / lossy).astype(int), decode_file(CODECS / lossless).astype(int)
    assert np.abs(a - b).mean() < mean


@pytest.mark.real_data
def test_jpeg_ls_of_odd_depths_equals_the_scan_it_was_made_from() -> None:
    """dcmtk refuses the 7-bit one; both were made from CT_small, whose high bits they keep."""
    source = decode_file(TEST_FILES / "CT_small.dcm").astype(int)
    for name, least in (("JLSL_16_15_1_1F.dcm", 0.999), ("JLSL_08_07_0_1F.dcm", 0.99)):
        found = decode_file(CODECS / name).astype(int)
        assert np.corrcoef(found.ravel(), source.ravel())[0, 1] > least
