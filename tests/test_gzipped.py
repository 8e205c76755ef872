"""Gzipped DICOM: read as if it were not, under a limit, and every other gzip file says what it holds."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from numpy.typing import NDArray
from PIL import Image

from radseek.index_builder import build_index
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.dicom import gzipped_file
from radseek.retrieval.imaging.scan import FileHeader, content_hash, scan
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.types import Skipped
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder
from tests.imaging_support import write_nifti


def gzip_all(folder: Path) -> Path:
    """Gzip every file of a folder; bytes say what a file is: `.dcm.gz`, `.gz` and no suffix at all take turns."""
    for number, path in enumerate(sorted(folder.iterdir())):
        name = [f"{path.name}.gz", f"{path.stem}.gz", path.stem][number % 3]
        data = gzip.compress(path.read_bytes())
        path.unlink()
        path.with_name(name).write_bytes(data)
    return folder


def refusal(path: Path) -> Skipped:
    (found,) = scan(path)
    assert isinstance(found, Skipped), found
    return found


def voxels(path: Path) -> NDArray[np.int16]:
    (series,) = read_study(path).series
    return series.volume.voxels


def test_a_gzipped_series_is_the_series(tmp_path: Path) -> None:
    write_ct(tmp_path / "plain", 1)
    write_ct(tmp_path / "zipped", 1)
    gzip_all(tmp_path / "zipped")
    (tmp_path / "half").mkdir()
    for number, folder in enumerate(("plain", "zipped")):
        for path in sorted((tmp_path / folder).iterdir())[number::2]:
            (tmp_path / "half" / path.name).write_bytes(path.read_bytes())
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (tmp_path / "zipped").iterdir():
            archive.write(path, f"inside/{path.name}")
    plain = read_study(tmp_path / "plain")
    for name in ("zipped", "half", "all.zip"):
        one = read_study(tmp_path / name)
        assert one.content_hash == plain.content_hash, name
        assert not one.skipped, name
        assert np.array_equal(one.series[0].volume.voxels, plain.series[0].volume.voxels), name
        assert np.array_equal(one.series[0].volume.affine, plain.series[0].volume.affine), name
        assert len(one.paths) == 6, name
        assert all(str(tmp_path) in path for path in one.paths), f"{name}: the user's paths, not temporary ones"


def test_one_file_and_real_ones(tmp_path: Path) -> None:
    """pydicom ships one, and its twin; a file without the preamble is gzipped DICOM, too."""
    shipped = Path(pydicom.data.get_testdata_file("zipMR.gz"))
    assert np.array_equal(voxels(shipped), voxels(Path(pydicom.data.get_testdata_file("MR_small.dcm"))))
    bare = Path(pydicom.data.get_testdata_file("ExplVR_LitEndNoMeta.dcm")).read_bytes()
    (tmp_path / "bare.gz").write_bytes(gzip.compress(bare))
    assert isinstance(next(iter(scan(tmp_path / "bare.gz"))), FileHeader)


@pytest.mark.slow
def test_an_index_of_gzipped_files_is_that_of_the_files(tmp_path: Path) -> None:
    for folder in ("plain", "zipped"):
        write_ct(tmp_path / folder / "ct", 1)
    gzip_all(tmp_path / "zipped" / "ct")
    for folder in ("plain", "zipped"):
        report = build_index(tmp_path / folder, tmp_path / f"{folder}.index", encoder=TinyEncoder(), workers=1)
        assert (report.studies, report.files, report.skipped) == (1, 6, [])
    found = []
    for folder in ("plain", "zipped"):
        with LocalStore.open(tmp_path / f"{folder}.index") as store:
            (case,) = store.cases()
            found.append((case.key, *(view.slices.tobytes() for view in store.slice_vectors(case.key))))
    assert found[0] == found[1]
    assert content_hash(list((tmp_path / "plain" / "ct").iterdir())) == content_hash(
        list((tmp_path / "zipped" / "ct").iterdir())
    )


def test_nothing_temporary_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct(tmp_path / "ct", 1)
    gzip_all(tmp_path / "ct")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    read_study(tmp_path / "ct")
    assert not list((tmp_path / "temporary").iterdir())


def test_a_bomb_is_refused_while_it_inflates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DICOM head and then zeros: refused at the limit, not at the end."""
    path = tmp_path / "bomb.dcm.gz"
    path.write_bytes(gzip.compress(bytes(128) + b"DICM" + bytes(4 << 20)))
    read: list[int] = []
    real = gzipped_file._read
    monkeypatch.setattr(gzipped_file, "_CHUNK", 1 << 16)
    monkeypatch.setattr(gzipped_file, "RATIO_FREE_BYTES", 1 << 18)
    monkeypatch.setattr(gzipped_file, "MAX_RATIO", 2)
    monkeypatch.setattr(gzipped_file, "_read", lambda *given: read.append(len(data := real(*given))) or data)
    line = refusal(path)
    assert line.reason_code is Reason.TOO_LARGE
    assert "gunzip it" in line.message
    assert sum(read) <= (1 << 18) + (1 << 16)


@pytest.mark.slow
def test_the_limit_is_that_of_a_member_of_a_zip(tmp_path: Path) -> None:
    """512 MiB of zeros in half a megabyte, as it would be sent: refused at 200 times its size."""
    path = tmp_path / "bomb.gz"
    block = gzip.compress(bytes(64 << 20), 9)
    path.write_bytes(gzip.compress(bytes(128) + b"DICM") + block * 8)
    assert refusal(path).reason_code is Reason.TOO_LARGE


def test_damaged_gzip_has_its_reason(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", 1)
    whole = gzip.compress((tmp_path / "ct" / "0000.dcm").read_bytes())
    wrong = []
    for name, data, code in (
        ("cut", whole[: len(whole) // 2], Reason.TRUNCATED),
        ("checksum", whole[:-6] + b"\xff\xff" + whole[-4:], Reason.DECODE_FAILED),
        ("garbage inside", whole[: len(whole) // 2] + b"\xff" * 500 + whole[len(whole) // 2 :], Reason.DECODE_FAILED),
        ("cut in its head", whole[:12], Reason.NOT_AN_IMAGE),
    ):
        path = tmp_path / f"{name}.dcm.gz"
        path.write_bytes(data)
        line = refusal(path)
        if line.reason_code is not code or name not in line.message or line.path != str(path):
            wrong.append((name, line))
    assert not wrong
    with pytest.raises(InputError, match="ends early"):
        read_study(tmp_path / "cut.dcm.gz")


def test_gzip_without_an_image_says_what_it_holds(tmp_path: Path) -> None:
    tar, picture, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        made.addfile(tarfile.TarInfo("a.dcm"))
    Image.new("L", (4, 4)).save(picture, "PNG")
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a", "b")
    wrong = []
    for data, said in (
        (tar.getvalue(), "a tar archive"), (picture.getvalue(), "a PNG picture"), (archive.getvalue(), "a zip archive"),
        (gzip.compress(b"x"), "another gzip file"), (bz2.compress(b"x"), "a bzip2 file"), (b"a,b\n1,2\n", "text"),
        (bytes(range(1, 200)), "data of an unknown kind"), (b"", "nothing that can be inflated"),
    ):  # fmt: skip
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(data))
        line = refusal(path)
        if line.reason_code is not Reason.NOT_AN_IMAGE or said not in line.message:
            wrong.append((said, line.message))
    assert not wrong


def test_gzipped_nifti_is_still_read_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4), sform_code=1)
    monkeypatch.setattr(gzipped_file, "_inflate", None)
    assert voxels(path).shape == (4, 3, 2)
