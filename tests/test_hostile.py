"""Files that mean no good: each costs itself, with a reason and a remedy; not its study, the build or a process."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from benchmarks.mutating import KINDS, mutant
from radseek.index_builder import build_index
from radseek.retrieval.errors import InputError, RadseekError, Reason, StorageError, UsageError, WorkerError
from radseek.retrieval.imaging import admission, isolated_scan, scan, study_reader
from radseek.retrieval.imaging.dicom import dicom_series, stacks
from radseek.retrieval.imaging.reading_errors import input_errors, last_catch
from radseek.retrieval.imaging.study_reader import read_paths, read_study
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.types import Skipped
from tests.build_support import write_ct, write_nifti
from tests.dicom_support import dataset, save
from tests.each_support import each
from tests.encoder_support import TinyEncoder

pytestmark = pytest.mark.slow

GDCM = Path(pydicom.__file__).parent / "data" / "test_files" / "SC_rgb_jpeg_gdcm.dcm"


class SurpriseError(Exception):
    """What nobody foresaw."""


def aborting(path: Path, **tags: object) -> Path:
    """Write a file on which gdcm aborts its process: 7 bits stored in lossless JPEG of 8, and no HighBit."""
    found = pydicom.dcmread(GDCM)
    found.BitsStored = 7
    del found.HighBit
    for keyword, value in tags.items():
        setattr(found, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path)
    return path


def test_a_few_mutants_of_each_kind(tmp_path: Path) -> None:
    said = []
    for number in range(4 * len(KINDS)):
        one = mutant(3, number)
        path = tmp_path / one.name
        path.write_bytes(one.data)
        try:
            for series in read_study(path).series:
                make_views(series)
        except RadseekError as error:
            said.append(str(error))
        path.unlink()
    assert len(said) > len(KINDS)
    assert not [message for message in said if ";" not in message or len(message) < 20]


def test_mutants_are_the_same_each_time() -> None:
    assert [mutant(1, n) for n in range(40)] == [mutant(1, n) for n in range(40)]


@pytest.mark.slow
def test_a_codec_that_aborts_costs_one_file_and_no_process(tmp_path: Path) -> None:
    ours = os.getpid()
    with pytest.raises(InputError) as caught:
        read_study(aborting(tmp_path / "a.dcm"))
    assert os.getpid() == ours
    assert caught.value.reason is Reason.DECODE_FAILED
    assert "SIGABRT" in str(caught.value)
    assert "a.dcm" in str(caught.value)
    uid = write_ct(tmp_path / "study", 1)
    aborting(tmp_path / "study" / "bad.dcm", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.2")
    for isolated in (False, True):
        study = read_study(tmp_path / "study", isolated=isolated)
        assert [one.volume.voxels.shape[0] for one in study.series] == [6]
        assert [(Path(line.path).name, line.reason_code) for line in study.skipped] == [
            ("bad.dcm", Reason.DECODE_FAILED)
        ]


@pytest.mark.slow
def test_a_build_goes_on(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    uid = write_ct(archive / "study", 1)
    aborting(archive / "study" / "bad.dcm", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.2")
    for number in range(len(KINDS)):
        one = mutant(5, number)
        (archive / one.name).write_bytes(one.data)
    report = build_index(archive, tmp_path / "i", encoder=TinyEncoder(), workers=1)
    assert report.slices >= 6
    lines = {line.path: line for line in report.skipped}
    assert lines["study/bad.dcm"].reason_code is Reason.DECODE_FAILED
    assert all(len(line.message) > 20 for line in report.skipped)


@each("isolated", [False, True])
def test_reading_apart_is_the_same(tmp_path: Path, isolated: bool) -> None:
    uid = write_ct(tmp_path / "study", 2)
    here, there = read_study(tmp_path / "study"), read_study(tmp_path / "study", isolated=isolated)
    assert there.uid == here.uid == uid
    assert there.paths == here.paths
    assert there.content_hash == here.content_hash
    np.testing.assert_array_equal(there.series[0].volume.voxels, here.series[0].volume.voxels)
    with pytest.raises(UsageError, match="does not exist"):
        read_study(tmp_path / "nothing", isolated=isolated)
    write_ct(tmp_path / "study" / "more", 3)
    with pytest.raises(UsageError, match="2 studies"):
        read_study(tmp_path / "study", isolated=isolated)


def test_paths_of_one_study_are_read_apart(tmp_path: Path) -> None:
    write_ct(tmp_path / "study", 2)
    paths = sorted(str(path) for path in (tmp_path / "study").iterdir())
    assert read_paths(paths[:4]).series[0].volume.voxels.shape[0] == 4


def raising(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: BaseException, when: Callable[..., bool]):
    real = getattr(module, name)

    def sometimes(*given: Any, **named: Any) -> Any:
        if when(*given):
            raise error
        return real(*given, **named)

    monkeypatch.setattr(module, name, sometimes)


@each(
    ("error", "code"),
    [
        (SurpriseError("out of nowhere"), Reason.DECODE_FAILED),
        (StopIteration(), Reason.DECODE_FAILED),
        (KeyError("tag"), Reason.DECODE_FAILED),
        (RecursionError(), Reason.DECODE_FAILED),
        (MemoryError(), Reason.TOO_LARGE),
    ],
)
def test_what_nobody_foresaw_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: Reason
) -> None:
    write_ct(tmp_path / "a", 1, names=[f"{z}.dcm" for z in range(6)])
    raising(monkeypatch, scan, "_header", error, lambda path, _: path.name == "3.dcm")
    found = list(scan.scan(tmp_path))
    (line,) = [one for one in found if isinstance(one, Skipped)]
    assert len(found) == 6
    assert line.reason_code is code
    assert ";" in line.message, "object and rule, then the next step"
    if isinstance(error, SurpriseError):
        assert "SurpriseError: out of nowhere" in line.message


@each(
    ("module", "name", "when"),
    [
        (dicom_series, "frames_of", lambda _, path: path.name == "3.dcm"),
        (dicom_series, "stack_frames", lambda frames: any(one.path.name == "3.dcm" for one in frames)),
        (dicom_series, "load_stack", lambda stack, _: any(one.path.name == "3.dcm" for one in stack.frames)),
        (dicom_series, "order_number", lambda _: False),
        (study_reader, "read_dicom_series", lambda files, *_: any(path.name == "3.dcm" for path in files)),
    ],
)
def test_a_value_that_is_read_late_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: Callable[..., bool]
) -> None:
    write_ct(tmp_path / "a", 1, names=[f"{z}.dcm" for z in range(6)])
    error: Exception = SurpriseError("late")
    if name == "load_stack":
        error = InputError(Reason.BAD_HEADER, "3.dcm: a value of the first file; leave it out")
    raising(monkeypatch, module, name, error, when)
    study = read_study(tmp_path / "a")
    lost = [Path(line.path).name for line in study.skipped]
    assert lost == ([] if name == "order_number" else ["3.dcm"])
    assert sum(one.volume.voxels.shape[0] for one in study.series) == 6 - len(lost)


def test_a_nifti_that_surprises_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nifti(tmp_path / "a.nii.gz", 1)
    raising(monkeypatch, study_reader, "read_nifti", SurpriseError("deep inside"), lambda *_: True)
    with pytest.raises(InputError, match="SurpriseError: deep inside") as caught:
        read_study(tmp_path / "a.nii.gz")
    assert caught.value.reason is Reason.DECODE_FAILED


@each("guard", [lambda: last_catch("x.dcm"), lambda: input_errors(Path("x.dcm"), "header")])
def test_a_full_disk_and_ctrl_c_are_no_fault_of_a_file(guard: Callable[[], Any]) -> None:
    for error in (StorageError("no room"), KeyboardInterrupt(), SystemExit(1)):
        with pytest.raises(type(error)), guard():
            raise error


def test_scanning_apart_finds_the_same(tmp_path: Path) -> None:
    write_ct(tmp_path / "b", 1)
    write_nifti(tmp_path / "c" / "x.nii.gz", 2)
    (tmp_path / "c" / "x.json").write_text("{}")
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / ".hidden").write_text("text")
    with_zip = shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "b")
    assert list(isolated_scan.scan_apart(tmp_path)) == list(scan.scan(tmp_path))
    assert list(isolated_scan.scan_apart(with_zip)) == list(scan.scan(with_zip))
    assert len(list(isolated_scan.scan_apart(f"{with_zip}!/0001.dcm"))) == 1
    with pytest.raises(UsageError):
        list(isolated_scan.scan_apart(tmp_path / "nothing"))


def test_a_header_that_hangs_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct(tmp_path / "b", 1)

    def late(_function: str, task: isolated_scan.LookTask, **_: Any) -> Any:
        if any(one.path.name == "0003.dcm" for one in task.files):
            raise InputError(Reason.TIMEOUT, "took too long; look at it by hand")
        return isolated_scan.look_at_all(task)

    monkeypatch.setattr(isolated_scan, "call_apart", late)
    monkeypatch.setattr(isolated_scan.tempfile, "tempdir", None)
    found = list(isolated_scan.scan_apart(tmp_path))
    assert len(found) == 6
    (line,) = [one for one in found if isinstance(one, Skipped)]
    assert Path(line.path).name == "0003.dcm"
    assert line.reason_code is Reason.TIMEOUT


def refusal(tags: pydicom.Dataset, path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_study(save(tags, path))
    return caught.value


@each(
    ("announced", "stored", "syntax", "code"),
    [
        (3, 2, None, Reason.TRUNCATED),
        (30_000, 2, None, Reason.TRUNCATED),
        (3, 2, RLELossless, Reason.TRUNCATED),
        (20_000, 2, RLELossless, Reason.TRUNCATED),
        (20_000, 2, JPEGBaseline8Bit, Reason.TRUNCATED),
    ],
)
def test_fewer_frames_than_announced(tmp_path: Path, announced: int, stored: int, syntax: Any, code: Reason) -> None:
    found = dataset(np.zeros((stored, 16, 16), np.uint8), Modality="US")
    if syntax is not None:
        found.compress(RLELossless)
        found.file_meta.TransferSyntaxUID = syntax
    found.NumberOfFrames = announced
    error = refusal(found, tmp_path / "a.dcm")
    assert error.reason is code
    assert str(announced) in str(error)


def test_more_frames_than_announced_is_said(tmp_path: Path) -> None:
    pixels = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)
    for compress in (False, True):
        found = dataset(pixels, Modality="US", StudyInstanceUID=f"1.2.{int(compress)}")
        if compress:
            found.compress(RLELossless)
        found.NumberOfFrames = 2
        (series,) = read_study(save(found, tmp_path / f"{compress}" / "a.dcm")).series
        np.testing.assert_array_equal(series.volume.voxels, pixels[:2])
        assert any("4 frames are stored" in text for text in series.volume.provenance.warnings)


def test_few_compressed_bytes_do_not_hold_gigabytes(tmp_path: Path) -> None:
    found = dataset(np.zeros((16, 16), np.uint8))
    found.compress(RLELossless)
    found.Rows = found.Columns = 30_000
    error = refusal(found, tmp_path / "rle.dcm")
    assert error.reason is Reason.TRUNCATED
    assert "run-length" in str(error)
    codestream = bytes.fromhex("ff4f ff51 0029 0000") + (20_000).to_bytes(4, "big") * 2 + bytes(8)
    codestream += (20_000).to_bytes(4, "big") * 2 + bytes(8) + bytes.fromhex("0001 07 01 01") + bytes(40)
    for syntax in (JPEG2000Lossless, JPEGLSLossless, JPEGBaseline8Bit):
        found = dataset(np.zeros((16, 16), np.uint8), syntax=syntax)
        found.PixelData = encapsulate([codestream])
        found["PixelData"].is_undefined_length = True
        found.Rows = found.Columns = 20_000
        error = refusal(found, tmp_path / f"{syntax}.dcm")
        assert error.reason is Reason.TOO_LARGE
        assert "400,000,000" in str(error)
    assert admission.RATIO_FREE_BYTES < 20_000**2


def nifti(path: Path, voxels: np.ndarray) -> Path:
    nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(path)
    return path


def test_a_nifti_that_is_not_finite_is_said(tmp_path: Path) -> None:
    voxels = np.arange(5 * 5 * 5, dtype=np.float32).reshape(5, 5, 5)
    assert not read_study(nifti(tmp_path / "whole.nii", voxels)).series[0].volume.provenance.warnings
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    (series,) = read_study(nifti(tmp_path / "gaps.nii", voxels)).series
    assert any(text.startswith("not_finite: 3 of 125") for text in series.volume.provenance.warnings)
    error = None
    with pytest.raises(InputError) as caught:
        read_study(nifti(tmp_path / "none.nii", np.full((4, 4, 4), np.nan, np.float32)))
    error = caught.value
    assert error.reason is Reason.NO_PIXELS
    assert "finite" in str(error)


def test_float_pixels_that_are_not_finite_are_said(tmp_path: Path) -> None:
    pixels = np.ones((8, 8), np.float32)
    pixels[2, 2] = np.nan
    (series,) = read_study(save(dataset(pixels, Modality="MR"), tmp_path / "a.dcm")).series
    assert any(text.startswith("not_finite: 1 of 64") for text in series.volume.provenance.warnings)


def test_a_deflated_file_with_a_byte_after_its_end_is_read(tmp_path: Path) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    pixels = np.zeros((1200, 1200), np.int16)  # inflates over one chunk
    path = save(dataset(pixels, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes() + b"\0")
    assert read_study(path).series[0].volume.voxels.shape == (1, 1200, 1200)


def test_a_worker_that_cannot_start_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radseek.retrieval import workers

    write_ct(tmp_path / "a", 1)
    real = workers.give
    monkeypatch.setattr(workers, "give", lambda worker, _, *rest: real(worker, "tests.no_such_module:x", *rest))
    with pytest.raises(WorkerError, match="no_such_module") as caught:
        build_index(tmp_path / "a", tmp_path / "i", encoder=TinyEncoder(), workers=1)
    assert "ModuleNotFoundError" in str(caught.value)
    assert caught.value.exit_code == 6


def test_gzip_of_a_mutant_is_no_surprise(tmp_path: Path) -> None:
    out = io.BytesIO()
    dataset(np.zeros((4, 4), np.int16)).save_as(out, enforce_file_format=True)
    whole = gzip.compress(out.getvalue())
    for cut in range(10, len(whole), 37):
        path = tmp_path / "x.dcm.gz"
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            read_study(path)


def test_stacks_are_named_where_they_are_made() -> None:
    assert dicom_series.stack_frames is stacks.stack_frames
