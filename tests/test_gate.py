"""The gate: nothing is decoded or inflated that a header says is too large, and each refusal has its code."""

from __future__ import annotations

import resource
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_file_meta_info
from pydicom.uid import MPEG4HP41, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging import admission
from radseek.retrieval.imaging.dicom.codestream import FrameSize, frame_size
from radseek.retrieval.imaging.dicom.dicom_header import read_header
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from tests.dicom_support import dataset, nested, save
from tests.each_support import each


def header(**tags: object) -> Dataset:
    return dataset(np.zeros((4, 4), np.int16), **tags)


def reason(call: object, *args: object, **named: object) -> Reason:
    with pytest.raises(InputError) as caught:
        call(*args, **named)  # type: ignore[operator]
    assert ";" in str(caught.value), "object and rule, then the next step"
    return caught.value.reason


HERE = Path("scan.dcm")


@each(
    ("tags", "code"),
    [
        ({"Rows": 0}, Reason.BAD_HEADER),
        ({"SamplesPerPixel": 7}, Reason.BAD_HEADER),
        ({"BitsAllocated": 12}, Reason.BAD_HEADER),
        ({"NumberOfFrames": -1}, Reason.BAD_HEADER),
        ({"Rows": 65_535, "Columns": 65_535}, Reason.TOO_LARGE),
        ({"NumberOfFrames": 2_000_000_000}, Reason.TOO_LARGE),
        ({"NumberOfFrames": 40_000}, Reason.TOO_LARGE),
        ({"Rows": None}, Reason.NO_PIXELS),
    ],
)
def test_sizes_that_cannot_be_read_are_refused(tags: dict[str, object], code: Reason) -> None:
    assert reason(admission.admit_dicom, header(**tags), HERE) is code


def test_a_large_enhanced_series_is_admitted() -> None:
    admission.admit_dicom(header(Rows=512, Columns=512, NumberOfFrames=3000), HERE)


@pytest.mark.slow
@given(
    rows=st.integers(1, 65_535), columns=st.integers(1, 65_535), frames=st.integers(1, 10**6),
    samples=st.sampled_from([1, 3]), bits=st.sampled_from([1, 8, 16, 32, 64]),
)  # fmt: skip
def test_the_limit_is_the_product(rows: int, columns: int, frames: int, samples: int, bits: int) -> None:
    asked = Dataset()
    asked.Rows, asked.Columns, asked.NumberOfFrames = rows, columns, frames
    asked.SamplesPerPixel, asked.BitsAllocated = samples, bits
    fits = rows * columns * frames * samples * bits <= 8 * admission.MAX_DECODED_BYTES
    fits = fits and max(rows, columns, frames) <= admission.MAX_SIDE
    if fits:
        admission.admit_dicom(asked, HERE)
    else:
        assert reason(admission.admit_dicom, asked, HERE) is Reason.TOO_LARGE


def test_nifti_headers_are_bounded() -> None:
    admission.admit_nifti((512, 512, 600), 2, Path("a.nii.gz"), file_bytes=80_000_000)
    assert reason(admission.admit_nifti, (30_000, 30_000, 30_000), 4, Path("a.nii"), file_bytes=400) is Reason.TOO_LARGE
    assert reason(admission.admit_nifti, (1024, 1024, 1024), 2, Path("a.nii.gz"), file_bytes=2_000) is Reason.TOO_LARGE
    assert reason(admission.admit_nifti, (0, 4, 4), 2, Path("a.nii"), file_bytes=400) is Reason.BAD_HEADER
    assert reason(admission.admit_nifti, (), 2, Path("a.nii"), file_bytes=400) is Reason.BAD_HEADER


def deflated(path: Path, megabytes: int) -> Path:
    """A deflated file whose pixel data are zeros, written chunk by chunk."""
    small = dataset(np.zeros((4, 4), np.int16), syntax=DeflatedExplicitVRLittleEndian)
    save(small, path)
    whole = path.read_bytes()
    start = 132 + 12 + int(read_file_meta_info(path).FileMetaInformationGroupLength)
    plain = zlib.decompress(whole[start:], -15)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    mark = plain.index(b"\xe0\x7f\x10\x00OW")
    body = packer.compress(plain[: mark + 8] + (megabytes << 20).to_bytes(4, "little"))
    body += packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block does not look back, so one megabyte of zeros can be repeated as it is.
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(whole[:start] + body + block * megabytes + packer.flush())
    return path


@pytest.mark.slow
def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    bomb = deflated(tmp_path / "bomb.dcm", 1024)
    assert bomb.stat().st_size < 1_200_000
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason(read_header, bomb) is Reason.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert peak < 16 << 20
    assert grown < 64 << 10  # kilobytes
    series, skipped = read_dicom_series([bomb])
    assert not series
    assert [line.reason_code for line in skipped] == [Reason.TOO_LARGE]


def test_a_lying_group_length_does_not_hide_a_bomb(tmp_path: Path) -> None:
    bomb = deflated(tmp_path / "bomb.dcm", 256)
    whole = bytearray(bomb.read_bytes())
    whole[140:144] = (len(whole) - 160).to_bytes(4, "little")
    bomb.write_bytes(whole)
    assert reason(read_header, bomb) is Reason.TOO_LARGE


@pytest.mark.slow
def test_bytes_after_the_end_of_a_deflated_stream_are_left_alone(tmp_path: Path) -> None:
    # Over a megabyte inflated, so that it is inflated in pieces, and the pad byte of PS3.5 A.5 after its end.
    pixels = np.zeros((1024, 1024), np.int16)
    path = save(dataset(pixels, syntax=DeflatedExplicitVRLittleEndian, Modality="OT"), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes() + b"\0")
    script = (
        "import sys; from pathlib import Path; from radseek.retrieval.imaging.dicom.dicom_header import read_header"
    )
    command = [sys.executable, "-c", f"{script}; print(read_header(Path(sys.argv[1])).Rows)", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # it looped for ever
    assert ran.stdout.strip() == "1024"


def test_an_honest_deflated_file_is_read(tmp_path: Path) -> None:
    pixels = np.arange(16, dtype=np.int16).reshape(4, 4)
    path = save(dataset(pixels, syntax=DeflatedExplicitVRLittleEndian, Modality="OT"), tmp_path / "a.dcm")
    series, skipped = read_dicom_series([path])
    assert not skipped
    assert np.array_equal(series[0].volume.voxels[0], pixels)


def test_nested_sequences_are_a_bad_header(tmp_path: Path) -> None:
    path = save(dataset(np.zeros((4, 4), np.int16)), tmp_path / "deep.dcm")
    whole = path.read_bytes()
    at = whole.index(b"\x08\x00\x60\x00CS")
    path.write_bytes(whole[:at] + whole[at:][: 8 + 2] + nested(3000) + whole[at + 10 :])
    series, skipped = read_dicom_series([path])
    assert not series
    assert [line.reason_code for line in skipped] == [Reason.BAD_HEADER]


def sof(width: int, height: int, marker: int = 0xC0, precision: int = 8) -> bytes:
    head = b"\xff\xd8\xff\xe0\x00\x04ab"
    size = precision.to_bytes(1, "big") + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return head + bytes([0xFF, marker]) + b"\x00\x0b" + size + b"\x01\x01\x11\x00"


def siz(width: int, height: int) -> bytes:
    numbers = (width, height, 0, 0)
    return (
        b"\xff\x4f\xff\x51\x00\x29\x00\x00"
        + b"".join(n.to_bytes(4, "big") for n in numbers)
        + bytes(16)
        + b"\x00\x03\x07\x01\x01"
    )


@pytest.mark.parametrize(
    ("frame", "syntax"), [(sof(60_000, 60_000), JPEGBaseline8Bit), (siz(200_000, 200_000), JPEG2000Lossless)]
)
def test_a_frame_larger_inside_than_its_header_is_not_decoded(tmp_path: Path, frame: bytes, syntax: str) -> None:
    found = dataset(np.zeros((4, 4), np.uint8), syntax=syntax)
    found.PixelData = encapsulate([frame])
    found["PixelData"].is_undefined_length = True
    series, skipped = read_dicom_series([save(found, tmp_path / "a.dcm")])
    assert not series
    assert [line.reason_code for line in skipped] == [Reason.TOO_LARGE]


@pytest.mark.parametrize("frame", [sof(3, 3), sof(4, 4, 0xC0, 12), siz(4, 4), b"\x00" * 64])
def test_a_frame_unlike_its_header_is_not_handed_to_a_codec(tmp_path: Path, frame: bytes) -> None:
    """Seen to abort the whole process inside gdcm."""
    found = dataset(np.zeros((4, 4), np.uint8), syntax=JPEGBaseline8Bit)
    found.PixelData = encapsulate([frame])
    found["PixelData"].is_undefined_length = True
    _, skipped = read_dicom_series([save(found, tmp_path / "a.dcm")])
    assert [line.reason_code for line in skipped] == [Reason.DECODE_FAILED]


def test_video_is_an_unsupported_syntax(tmp_path: Path) -> None:
    found = dataset(np.zeros((4, 4), np.uint8), syntax=MPEG4HP41, Modality="US", NumberOfFrames=90)
    found.PixelData = encapsulate([bytes(64)])
    found["PixelData"].is_undefined_length = True
    _, skipped = read_dicom_series([save(found, tmp_path / "a.dcm")])
    assert [line.reason_code for line in skipped] == [Reason.UNSUPPORTED_SYNTAX]


def test_codestream_sizes() -> None:
    assert frame_size(sof(7, 5)) == FrameSize(7, 5, 1, 8)
    assert frame_size(sof(7, 5, 0xF7)) == FrameSize(7, 5, 1, 8)  # JPEG-LS
    assert frame_size(sof(7, 5, 0xC1, 12)) == FrameSize(7, 5, 1, 12)
    assert frame_size(siz(9, 8)) == FrameSize(9, 8, 3, 8)
    assert frame_size(b"\x01\x00\x00\x00") is None  # RLE


@pytest.mark.slow
@given(st.binary(max_size=64))
def test_codestream_of_anything_never_raises(tail: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd8\xff\xc0"):
        frame_size(start + tail)


def test_short_pixel_data_are_truncated(tmp_path: Path) -> None:
    found = dataset(np.zeros((4, 4), np.int16))
    found.PixelData = bytes(30)
    series, skipped = read_dicom_series([save(found, tmp_path / "a.dcm")])
    assert not series
    assert skipped[0].reason_code is Reason.TRUNCATED


def test_empty_missing_and_foreign_files_have_their_codes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("not an image at all\n" * 20)
    _, skipped = read_dicom_series([tmp_path / "empty", tmp_path / "gone", tmp_path / "text"])
    assert [(Path(line.path).name, line.reason_code) for line in skipped] == [
        ("empty", Reason.TRUNCATED),
        ("gone", Reason.BAD_HEADER),
        ("text", Reason.NOT_DICOM),
    ]
