"""One path, one Study: whatever it is made of, and a helpful sentence where it is not."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from radseek.retrieval.errors import InputError, Reason, UnknownNameError, UsageError
from radseek.retrieval.imaging import make_views, read_study
from radseek.retrieval.imaging.scan import FileHeader, content_hash, group_key, scan
from radseek.retrieval.imaging.study_reader import read_files
from radseek.retrieval.types import Series
from tests.conftest import DATA
from tests.imaging_support import make_series, write_dicom, write_nifti, zip_of

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def ct(tmp_path):
    folder = tmp_path / "ct"
    for number, z in enumerate((4.0, 0.0, 2.0)):
        write_dicom(folder / f"{number}.dcm", sop=f"1.2.3.1.{number}", z=z)
    return folder


def same(one: Series, other: Series) -> bool:
    return (
        np.array_equal(one.volume.voxels, other.volume.voxels)
        and np.array_equal(one.volume.affine, other.volume.affine)
        and one.volume.provenance == other.volume.provenance
    )


def test_a_dicom_folder_is_a_study(ct):
    study = read_study(ct)
    assert (study.uid, study.patient_id, study.accession) == ("1.2.3", "P1", "A1")
    assert study.paths == tuple(str(ct / f"{n}.dcm") for n in range(3))
    assert study.content_hash == content_hash([ct / "2.dcm", ct / "0.dcm", ct / "1.dcm"])
    assert study.attributes["PatientAge"] == "049Y"  # the day before the fiftieth birthday
    assert "PatientBirthDate" not in study.attributes
    (series,) = study.series
    assert series.volume.voxels.shape == (3, 8, 8)
    assert [view.name for view in make_views(series)] == ["lung", "soft", "bone"]
    assert study.skipped == ()


def test_order_of_files_and_packing_change_nothing(ct):
    reference = read_study(ct)
    headers = [one for one in scan(ct) if isinstance(one, FileHeader)]
    random.Random(3).shuffle(headers)
    shuffled = read_files(headers)
    assert shuffled.paths == reference.paths
    assert same(shuffled.series[0], reference.series[0])
    packed = zip_of(ct.parent / "ct.zip", {f"deep/{p.name}": p.read_bytes() for p in ct.iterdir()})
    unpacked = read_study(packed)
    assert same(unpacked.series[0], reference.series[0])
    assert unpacked.content_hash == reference.content_hash
    assert unpacked.paths[0] == f"{packed}!/deep/0.dcm"


def test_what_does_not_belong_is_listed(ct):
    (ct / "readme.txt").write_text("hello")
    write_dicom(ct / "9.dcm", sop="1.2.3.1.0", z=4.0)  # a second copy of 0.dcm
    study = read_study(ct)
    assert {(s.path, s.reason_code) for s in study.skipped} == {
        (str(ct / "readme.txt"), Reason.NOT_AN_IMAGE),
        (str(ct / "9.dcm"), Reason.DUPLICATE),
    }


def test_skipped_members_of_a_zip_are_named_as_the_user_knows_them(ct):
    members = {p.name: p.read_bytes() for p in ct.iterdir()}
    members["copy.dcm"] = members["0.dcm"]
    packed = zip_of(ct.parent / "ct.zip", members)
    (line,) = read_study(packed).skipped
    assert (line.path, line.reason_code) in {(f"{packed}!/{name}", Reason.DUPLICATE) for name in ("0.dcm", "copy.dcm")}


def test_several_studies_are_counted_and_named(ct):
    write_dicom(ct / "other.dcm", "9.9.9")
    write_nifti(ct / "n.nii", VOXELS)
    with pytest.raises(UsageError, match=r"holds 3 studies.*0\.dcm, n\.nii, other\.dcm.*index"):
        read_study(ct)


def test_nothing_there(tmp_path):
    with pytest.raises(UsageError, match="does not exist; give"):
        read_study(tmp_path / "x")
    with pytest.raises(UsageError, match="is empty; give"):
        read_study(tmp_path)
    with pytest.raises(UsageError, match="no files"):
        read_files([])
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("x")
    (tmp_path / "e.dcm").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"none of 4 files can be used, 3 for `not_an_image`, such as 0\.txt"
    ) as caught:
        read_study(tmp_path)
    assert caught.value.reason == Reason.NOT_AN_IMAGE
    with pytest.raises(InputError) as caught:
        read_study(tmp_path / "e.dcm")
    assert (caught.value.reason, caught.value.path) == (Reason.TRUNCATED, str(tmp_path / "e.dcm"))


def test_nifti_and_picture_are_studies_by_content(tmp_path):
    path = write_nifti(tmp_path / "n.nii.gz", VOXELS)
    study = read_study(path, modality="mr")
    assert (study.uid, study.content_hash) == ("", content_hash([path]))
    assert study.series[0].modality == "MR"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(tmp_path / "x.png")
    assert read_study(tmp_path / "x.png", modality="DX").series[0].volume.voxels.shape == (1, 6, 8)
    packed = zip_of(tmp_path / "n.zip", {"n.nii.gz": path.read_bytes(), "n.json": b'{"Modality": "PT"}'})
    assert read_study(packed).series[0].modality == "PT"


def test_a_named_modality_must_be_one_and_never_overrules_dicom(ct):
    with pytest.raises(UnknownNameError, match="'xray' is none of those that are read: CT, MR"):
        read_study(ct, modality="xray")
    assert read_study(ct, modality="MR").series[0].modality == "CT"


def test_a_damaged_nifti_says_why(tmp_path):
    path = write_nifti(tmp_path / "n.nii", VOXELS)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"n\.nii: ends before its last voxel; copy it again") as caught:
        read_study(path)
    assert caught.value.reason == Reason.TRUNCATED


def test_make_series_support_is_display_ready():
    assert make_views(make_series(VOXELS))[0].slices.shape == (2, 3, 4)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["dicom_codecs", "dicom_orientation", "volumes"])
def test_every_real_file_is_read_or_has_a_reason(folder):
    groups: dict[str, list[FileHeader]] = {}
    skipped, files = [], set()
    for one in scan(DATA / folder):
        if isinstance(one, FileHeader):
            groups.setdefault(group_key(one), []).append(one)
        else:
            skipped.append(one.path)
        files.add(one.path)
    assert files == {str(p) for p in (DATA / folder).rglob("*") if p.is_file()}
    assert skipped == []
    reasons: Counter[str] = Counter()
    for headers in groups.values():
        study = read_files(headers)
        reasons.update(str(line.reason_code) for line in study.skipped)
        for series in study.series:
            for view in make_views(series):
                assert view.slices.any()
    assert set(reasons) <= {"duplicate"}


@pytest.mark.real_data
@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed (Debian package dcm2niix)")
@pytest.mark.parametrize("name", ["ax/axasc35", "ax/axdesc36", "sag/sagint35", "sag/sagdesc36"])
def test_dicom_and_its_nifti_copy_show_the_same_pictures(name, tmp_path):
    folder = DATA / "dicom_orientation" / name
    subprocess.run(
        ["dcm2niix", "-z", "y", "-f", "copy", "-o", str(tmp_path), str(folder)], check=True, capture_output=True
    )
    dicom = read_files([one for one in scan(folder) if isinstance(one, FileHeader) and one.kind == "dicom"])
    nifti = read_study(tmp_path)
    views, copies = make_views(dicom.series[0]), make_views(nifti.series[0])
    assert [view.name for view in views] == [view.name for view in copies]
    for view, copy in zip(views, copies, strict=True):
        np.testing.assert_array_equal(view.slices, copy.slices)
        np.testing.assert_array_equal(view.z, copy.z)
