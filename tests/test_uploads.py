"""Uploads: what was sent is read, what means harm is refused with its reason, and nothing stays on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import CancelledError
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radseek.app import upload_decoding
from radseek.app import upload_folder as upload_space
from radseek.app.upload_decoding import FolderTask, decode_folder
from radseek.app.uploads import Received, UploadLimits, gather, receive, safe_name
from radseek.retrieval.errors import InputError, Reason, UsageError
from radseek.retrieval.imaging import read_study
from radseek.retrieval.imaging.stated_kind import UNSTATED
from radseek.retrieval.imaging.zip_members import open_zip
from tests.build_support import write_ct, write_nifti, write_picture
from tests.each_support import each
from tests.hostile_zips import HOSTILE, write_hostile


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything temporary goes here, so that a test sees what stays."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.dcm")):
            archive.write(file, str(file.relative_to(folder)))
    return path


@pytest.mark.slow
def test_files_and_their_zip_are_the_same_study_as_from_the_folder(tmp_path: Path, temporary: Path) -> None:
    write_ct(tmp_path / "ct", 1)
    expected = read_study(tmp_path / "ct")
    sent = sorted((tmp_path / "ct").iterdir())
    for files in (sent, [zipped(tmp_path / "ct", tmp_path / "ct.zip")]):
        (study,) = receive(files).studies
        assert study.uid == expected.uid
        assert study.content_hash == expected.content_hash
        assert (study.series[0].volume.voxels == expected.series[0].volume.voxels).all()
        assert not any(str(temporary) in path for path in study.paths)
    assert not left_in(temporary)
    assert len(sent) == len(sorted((tmp_path / "ct").iterdir())), "what was sent is left as it is"


@pytest.mark.slow
def test_every_study_of_an_upload_comes_and_what_is_no_image_is_named(tmp_path: Path, temporary: Path) -> None:
    for seed in (1, 2):
        write_ct(tmp_path / str(seed), seed)
    write_nifti(tmp_path / "head.nii.gz", 3)
    write_picture(tmp_path / "chest.png", 4)
    (tmp_path / "notes.txt").write_text("no image")
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    received = receive(files, modality="CT")
    assert len(received.studies) == 4
    assert [(line.path, line.reason_code) for line in received.skipped] == [("notes.txt", Reason.NOT_AN_IMAGE)]
    assert not left_in(temporary)


@pytest.mark.slow
def test_files_of_one_name_from_several_folders_are_all_read(tmp_path: Path, temporary: Path) -> None:
    files = []
    for seed in (1, 2):
        write_ct(tmp_path / str(seed), seed)
        files += sorted((tmp_path / str(seed)).iterdir())
    assert sorted(study.uid for study in receive(files).studies) == sorted(
        read_study(tmp_path / str(seed)).uid for seed in (1, 2)
    )


@pytest.mark.slow
def test_a_study_that_cannot_be_read_costs_only_itself(tmp_path: Path, temporary: Path) -> None:
    write_ct(tmp_path / "good", 1)
    write_ct(tmp_path / "bad", 2)
    for path in (tmp_path / "bad").iterdir():
        path.write_bytes(path.read_bytes()[:-2000])
        path.rename(path.with_name(f"bad{path.name}"))
    received = receive([p for folder in ("good", "bad") for p in (tmp_path / folder).iterdir()])
    assert len(received.studies) == 1
    assert {line.reason_code for line in received.skipped} == {Reason.TRUNCATED}
    assert all(line.path.startswith("bad") for line in received.skipped)


@pytest.mark.slow
def test_of_an_upload_without_an_image_the_reason_is_said(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "a.txt").write_text("no image")
    with pytest.raises(InputError, match=r"a\.txt") as refused:
        receive([tmp_path / "a.txt"])
    assert refused.value.reason is Reason.NOT_AN_IMAGE
    assert str(temporary) not in str(refused.value)
    with pytest.raises(UsageError, match="No file was sent"):
        receive([])


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits", [UploadLimits(files=3), UploadLimits(stored=2_000), UploadLimits(members=3), UploadLimits(unpacked=2_000)]
)
def test_past_a_limit_the_upload_is_refused(tmp_path: Path, temporary: Path, limits: UploadLimits) -> None:
    write_ct(tmp_path / "ct", 1)
    inside = limits.members == 3 or limits.unpacked == 2_000
    files = [zipped(tmp_path / "ct", tmp_path / "ct.zip")] if inside else list((tmp_path / "ct").iterdir())
    with pytest.raises(InputError, match="above") as refused:
        receive(files, limits=limits)
    assert refused.value.reason is Reason.TOO_LARGE
    assert not left_in(temporary)


@pytest.mark.slow
def test_more_studies_than_can_be_held_are_refused(tmp_path: Path, temporary: Path) -> None:
    for seed in range(3):
        write_ct(tmp_path / str(seed), seed)
    with pytest.raises(InputError, match="3 studies and 2 can") as refused:
        receive(list(tmp_path.rglob("*.dcm")), limits=UploadLimits(studies=2))
    assert refused.value.reason is Reason.TOO_LARGE


def test_an_upload_can_be_stopped_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    write_ct(tmp_path / "ct", 1)
    asked = iter([False, False, True, True, True])
    with pytest.raises(CancelledError):
        receive(list((tmp_path / "ct").iterdir()), stopped=lambda: next(asked, True))
    assert not left_in(temporary)


@pytest.mark.slow
def test_progress_is_told(tmp_path: Path, temporary: Path) -> None:
    for seed in (1, 2):
        write_ct(tmp_path / str(seed), seed)
    told: list[tuple[str, int, int | None]] = []
    receive(list(tmp_path.rglob("*.dcm")), progress=lambda *step: told.append(step))
    assert told[0] == ("check", 0, None)
    assert told[-1] == ("read", 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "memory", "reason"), [(0.0, 4 << 30, Reason.TIMEOUT), (60.0, 600 << 20, Reason.TOO_LARGE)]
)
def test_a_worker_past_its_time_or_memory_is_stopped(
    tmp_path: Path, seconds: float, memory: int, reason: Reason
) -> None:
    sent, scratch = tmp_path / "sent", tmp_path / "scratch"
    scratch.mkdir()
    write_large_nifti(sent / "large.nii", 700)
    task = FolderTask(sent, scratch, UNSTATED, 1 << 30, 100)
    try:
        steps = list(decode_folder(task, 4, lambda: False, seconds=seconds, memory=memory))
        reasons = {line.reason_code for step in steps for line in step.skipped}
        assert not any(step.studies for step in steps)
    except InputError as error:
        reasons = {error.reason}
    assert reasons == {reason}


def write_large_nifti(path: Path, side: int) -> None:
    """Write a cube of zeros, int16; the file has a hole where they are."""
    path.parent.mkdir(parents=True)
    header = nib.Nifti1Header()
    header.set_data_shape((side, side, side))
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(header.binaryblock)
    with path.open("r+b") as file:
        file.truncate(352 + 2 * side**3)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside") / "evil.dcm"


@pytest.mark.slow
@each("name", sorted(HOSTILE))
def test_hostile_archives_write_nothing_and_are_refused(
    name: str, tmp_path: Path, temporary: Path, outside: Path
) -> None:
    """The worker's own function, in this process: what it writes, this test sees, and no worker is started 36 times."""
    sent, scratch = tmp_path / "sent", temporary / f"scratch-{name}"
    sent.mkdir()
    scratch.mkdir()
    write_hostile(name, sent / "hostile.zip", outside)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    previous = tempfile.tempdir
    try:
        decoded = upload_decoding.decode(
            FolderTask(sent, scratch, UNSTATED, UploadLimits().unpacked, UploadLimits().members)
        )
        assert not decoded.studies
        assert not decoded.found or name == "file_and_folder"
        assert decoded.skipped or name == "empty", "what was not used must be said"
    except InputError as error:
        assert error.reason in {Reason.TOO_LARGE, Reason.BAD_HEADER}  # noqa: PT017 - either way of refusing is right
    finally:
        tempfile.tempdir = previous
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not list(outside.parent.iterdir())


def test_there_are_enough_hostile_archives() -> None:
    assert len(HOSTILE) >= 25


@pytest.mark.slow
def test_a_hostile_archive_beside_a_good_study_costs_only_itself(
    tmp_path: Path, temporary: Path, outside: Path
) -> None:
    write_ct(tmp_path / "ct", 1)
    bad = write_hostile("overlapping", tmp_path / "hostile.zip", outside)
    received = receive([*(tmp_path / "ct").iterdir(), bad])
    assert isinstance(received, Received)
    assert len(received.studies) == 1
    assert [(line.path, line.reason_code) for line in received.skipped] == [("hostile.zip", Reason.BAD_HEADER)]
    assert "shares bytes" in received.skipped[0].message


def test_an_ordinary_archive_does_not_overlap(tmp_path: Path) -> None:
    from radseek.retrieval.imaging.zip_members import members

    write_ct(tmp_path / "ct", 1, names=[f"画像{z}.dcm" for z in range(6)])
    path = zipped(tmp_path / "ct", tmp_path / "ct.zip")
    with open_zip(path) as archive:
        assert len(members(archive, path)) == 6


@each(
    ("sent", "kept"),
    [
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("a\x00b\n.dcm", "a_b_.dcm"),
        ("<script>.nii.gz", "_script_.nii.gz"),
        ("胸部.dcm", "胸部.dcm"),
    ],
)
def test_names_are_made_safe(sent: str, kept: str) -> None:
    assert safe_name(sent) == kept


def test_a_long_name_keeps_its_end() -> None:
    kept = safe_name("胸" * 500 + ".nii.gz")
    assert kept.endswith(".nii.gz")
    assert len(kept.encode()) <= 120


def test_gathering_keeps_what_belongs_together_side_by_side(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "x.hdr").write_text(place)
        (tmp_path / place / "x.img").write_text(place)
    into = tmp_path / "into"
    gather([tmp_path / p / n for p in "ab" for n in ("x.hdr", "x.img")], into)
    assert {str(p.relative_to(into)): p.read_text() for p in into.rglob("x.*")} == {
        "x.hdr": "a",
        "x.img": "a",
        "2/x.hdr": "b",
        "2/x.img": "b",
    }


def test_what_a_killed_process_left_goes_with_the_next_upload(temporary: Path) -> None:
    script = (
        "from radseek.app.upload_folder import upload_folder; import time, sys\n"
        "with upload_folder() as f:\n    (f/'left').write_text('x'); print('in', flush=True); time.sleep(3600)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        with upload_space.upload_folder():
            assert any(path.name == "left" for path in left_in(temporary)), "a folder in use is not swept"
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    with upload_space.upload_folder() as folder:
        assert [path for path in left_in(temporary) if path.parent != folder.parent] == []
    assert not left_in(temporary)


def test_a_root_that_others_can_read_is_not_used(temporary: Path) -> None:
    open_to_all = temporary / f"radseek-uploads-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    root = upload_space.upload_root()
    assert root != open_to_all
    assert root.stat().st_mode & 0o077 == 0


def test_stopped_before_it_began_nothing_is_read(tmp_path: Path, temporary: Path) -> None:
    write_ct(tmp_path / "ct", 1)
    steps: list[str] = []
    with pytest.raises(CancelledError):
        receive(list((tmp_path / "ct").iterdir()), progress=lambda step, *_: steps.append(step), stopped=lambda: True)
    assert steps == ["check"]
