"""Every file met comes out once: as an image, as skipped with a reason, or as part of its NIfTI."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom.data
import pytest
from PIL import Image

from radseek.retrieval.errors import InputError, Reason, UsageError
from radseek.retrieval.imaging import zip_members
from radseek.retrieval.imaging.scan import FileHeader, content_hash, group_key, scan
from radseek.retrieval.imaging.zip_members import on_disk, split_member
from tests.each_support import each
from tests.imaging_support import write_dicom, write_nifti, zip_of

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path, "PNG")
    return path


def summary(path):
    """Name to kind or reason code."""
    base = Path(path) if Path(path).is_dir() else Path(path).parent
    found = {}
    for one in scan(path):
        assert one.path not in found
        name = one.path[len(str(base)) + 1 :]
        assert name not in found
        found[name] = one.kind if isinstance(one, FileHeader) else str(one.reason_code)
    return found


def test_a_mixed_folder_is_accounted_for(tmp_path):
    write_dicom(tmp_path / "ct" / "IM0001")
    (tmp_path / "nii").mkdir()
    write_nifti(tmp_path / "nii" / "a.nii.gz", VOXELS)
    (tmp_path / "nii" / "a.json").write_text("{}")
    (tmp_path / "nii" / "a.bval").write_text("0")
    (tmp_path / "nii" / "other.json").write_text("{}")
    picture(tmp_path / "p" / "x.png")
    picture(tmp_path / "p" / "named_wrong.txt")
    (tmp_path / "p" / "notes.txt").write_text("hello")
    (tmp_path / "p" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "p" / "empty.dcm").write_bytes(b"")
    (tmp_path / "p" / "fake.dcm").write_bytes(b"hello" * 100)
    (tmp_path / "p" / "a.tar.gz").write_bytes(gzip.compress(b"x" * 1000))
    (tmp_path / "p" / "bad.nii.gz").write_bytes(b"\x1f\x8b" + bytes(400))
    assert summary(tmp_path) == {
        "ct/IM0001": "dicom",
        "nii/a.nii.gz": "nifti",
        "nii/other.json": "not_an_image",
        "p/.DS_Store": "not_an_image",
        "p/a.tar.gz": "not_an_image",
        "p/bad.nii.gz": "decode_failed",
        "p/empty.dcm": "truncated",
        "p/fake.dcm": "not_dicom",
        "p/named_wrong.txt": "picture",
        "p/notes.txt": "not_an_image",
        "p/x.png": "picture",
    }


def test_headers_carry_the_identifiers(tmp_path):
    write_dicom(tmp_path / "a.dcm", "1.2.9", sop="1.2.9.1.7")
    (header,) = scan(tmp_path / "a.dcm")
    assert header == FileHeader(str(tmp_path / "a.dcm"), "dicom", "1.2.9", "1.2.9.1", "1.2.9.1.7", "P1", "A1")
    assert group_key(header) == "study:1.2.9"
    assert group_key(FileHeader("x", "dicom", "", "1.2")) == "series:1.2"
    assert group_key(FileHeader("x", "nifti")) == "file:x"


def test_pairs_are_one_image_and_a_lone_img_is_not(tmp_path):
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "p.hdr")
    assert summary(tmp_path) == {"p.hdr": "nifti"}
    (tmp_path / "p.hdr").unlink()
    assert summary(tmp_path) == {"p.img": "not_an_image"}


def test_a_missing_path_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere does not exist; give"):
        list(scan(tmp_path / "nowhere"))
    assert list(scan(tmp_path)) == []


def test_links_pipes_and_loops_do_not_hang(tmp_path):
    write_dicom(tmp_path / "real" / "a.dcm")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "same.dcm").symlink_to(tmp_path / "real" / "a.dcm")
    os.mkfifo(tmp_path / "pipe")
    assert summary(tmp_path) == {
        "gone": "not_an_image",
        "loop": "not_an_image",
        "pipe": "not_an_image",
        "real/a.dcm": "dicom",
        "same.dcm": "dicom",
    }


def test_dicomdir_reads_what_is_there_and_names_what_is_not():
    root = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"
    found = list(scan(root / "DICOMDIR"))
    assert found == list(scan(root))
    (index,) = [one for one in found if one.path == str(root / "DICOMDIR")]
    assert index.reason_code == Reason.NOT_AN_IMAGE
    assert "not there" not in index.message
    records = pydicom.dcmread(root / "DICOMDIR").DirectoryRecordSequence
    named = {str(root.joinpath(*r.ReferencedFileID)) for r in records if "ReferencedFileID" in r}
    assert len(named) > 5
    assert named <= {one.path for one in found if isinstance(one, FileHeader)}


def test_dicomdir_without_its_files(tmp_path):
    source = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / "DICOMDIR"
    (tmp_path / "DICOMDIR").write_bytes(source.read_bytes())
    (index,) = scan(tmp_path)
    assert "are not there: " in index.message


def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_zip_is_a_folder(tmp_path):
    dicom = write_dicom(tmp_path / "a.dcm").read_bytes()
    nifti = write_nifti(tmp_path / "n.nii.gz", VOXELS).read_bytes()
    inner = zip_of(tmp_path / "inner.zip", {"a.dcm": dicom}).read_bytes()
    (tmp_path / "z").mkdir()
    path = zip_of(
        tmp_path / "z" / "study.zip",
        {"s/1.dcm": dicom, "s/n.nii.gz": nifti, "s/n.json": b"{}", "t.txt": b"x", "in.zip": inner, "e.dcm": b""},
    )
    expected = {
        "study.zip!/e.dcm": "truncated",
        "study.zip!/in.zip": "not_an_image",
        "study.zip!/s/1.dcm": "dicom",
        "study.zip!/s/n.nii.gz": "nifti",
        "study.zip!/t.txt": "not_an_image",
    }
    assert summary(path) == expected
    assert summary(path.parent) == expected
    (member,) = scan(f"{path}!/s/1.dcm")
    assert member.study_uid == "1.2.3"
    with on_disk([f"{path}!/s/n.nii.gz"]) as found:
        (real,) = found.values()
        assert real.read_bytes() == nifti
        assert real.with_name("n.json").exists()  # the sidecar comes along
        assert not real.with_name("1.dcm").exists()
    assert not real.exists()
    assert content_hash([f"{path}!/s/n.nii.gz"]) == content_hash([tmp_path / "n.nii.gz"])


def with_mode(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@each(
    "name",
    [
        "/etc/passwd",
        "../up.png",
        "a/../../up.png",
        "C:/x.png",
        "..\\up.png",
        with_mode("link", stat.S_IFLNK | 0o777),
        with_mode("fifo", stat.S_IFIFO),
    ],
)
def test_a_zip_that_would_leave_its_folder_is_refused_whole(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("good.png", png_bytes())
        out.writestr(name, b"x")
    (only,) = scan(path)
    assert only.reason_code == Reason.BAD_HEADER
    with pytest.raises(InputError), on_disk([f"{path}!/good.png"]):
        pass
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["evil.zip"]


def test_zip_limits_hold_while_writing(tmp_path, monkeypatch):
    bomb = zip_of(tmp_path / "bomb.zip", {"big.dcm": bytes(3_000_000), "ok.png": png_bytes()})
    monkeypatch.setattr(zip_members, "RATIO_FREE_BYTES", 1_000_000)
    monkeypatch.setattr(zip_members, "MAX_RATIO", 10)
    assert summary(bomb) == {"bomb.zip!/big.dcm": "too_large", "bomb.zip!/ok.png": "picture"}
    # A directory that lies about the size changes nothing.
    raw = bytearray(bomb.read_bytes())
    size = (3_000_000).to_bytes(4, "little")
    assert raw.count(size) >= 1
    (tmp_path / "lies.zip").write_bytes(bytes(raw).replace(size, (9_000).to_bytes(4, "little")))
    assert summary(tmp_path / "lies.zip")["lies.zip!/big.dcm"] in {"truncated", "not_dicom"}
    monkeypatch.setattr(zip_members, "MAX_MEMBERS", 1)
    assert summary(bomb) == {"bomb.zip": "too_large"}
    monkeypatch.setattr(zip_members, "MAX_MEMBERS", 10)
    monkeypatch.setattr(zip_members, "MAX_UNPACKED_BYTES", 1000)
    assert summary(bomb) == {"bomb.zip": "too_large"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_broken_zips(tmp_path):
    whole = zip_of(tmp_path / "w.zip", {"a.png": png_bytes()}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:60])
    assert summary(tmp_path / "cut.zip") == {"cut.zip": "truncated"}
    at = 30 + len("a.png") + 10  # inside the compressed bytes
    (tmp_path / "bad.zip").write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3 :])
    assert summary(tmp_path / "bad.zip") == {"bad.zip!/a.png": "truncated"}
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as out:
        out.writestr("a.png", png_bytes())
        out.writestr("a.png", png_bytes())
    assert summary(tmp_path / "twice.zip") == {"twice.zip": "bad_header"}
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(encrypted)
    assert summary(tmp_path / "locked.zip") == {"locked.zip!/a.png": "decode_failed"}


def test_a_folder_that_looks_like_a_member_is_a_folder(tmp_path):
    picture(tmp_path / "x.zip!" / "a.png")
    assert split_member(tmp_path / "x.zip!" / "a.png") is None
    assert summary(tmp_path) == {"x.zip!/a.png": "picture"}


def test_content_has_no_name_and_no_order(tmp_path):
    a, b = picture(tmp_path / "a.png"), write_nifti(tmp_path / "b.nii", VOXELS)
    again = tmp_path / "copy.bin"
    again.write_bytes(a.read_bytes())
    assert content_hash([a, b]) == content_hash([b, again])
    assert content_hash([a]) != content_hash([b])
    assert content_hash([a]) != content_hash([a, b])


def test_everything_pydicom_ships_is_accounted_for():
    root = Path(pydicom.data.__file__).parent / "test_files"
    files = {
        str(p) for p in root.rglob("*") if p.is_file() and not any(x.startswith(".") for x in p.relative_to(root).parts)
    }
    assert {one.path for one in scan(root)} == files


def test_a_value_that_pydicom_refuses_is_a_reason(tmp_path):
    """Values are converted when they are first looked at: an unknown VR in an identifier must not end a scan."""
    path = write_dicom(tmp_path / "a.dcm")
    stored = path.read_bytes()
    at = stored.index(b"\x20\x00\x0d\x00UI")
    path.write_bytes(stored[: at + 4] + b"U6" + stored[at + 6 :])
    assert summary(path) == {"a.dcm": "bad_header"}
