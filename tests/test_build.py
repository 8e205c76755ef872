"""Building an index: what goes in comes out, the same however the files lie; nothing bad ends it, nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radseek.index_builder import BuildReport, build_index
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import EncoderMismatchError, IndexBusyError, Reason, UsageError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from tests.build_support import write_ct, write_nifti, write_picture
from tests.encoder_support import TinyEncoder

pytestmark = pytest.mark.slow

Build = Callable[..., BuildReport]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for seed in range(3):
        write_ct(folder / f"ct{seed}", seed)
    write_nifti(folder / "more" / "volume.nii.gz", 7)
    write_picture(folder / "film.png", 8)
    return folder


def contents(index: Path) -> dict[str, list[tuple[str, str, NDArray[np.float16], NDArray[np.float16]]]]:
    with LocalStore.open(index) as store:
        return {
            case.key: [(v.series_key, v.view, v.slices, v.pooled) for v in store.slice_vectors(case.key)]
            for case in store.cases()
        }


def same(one: Path, other: Path) -> bool:
    first, second = contents(one), contents(other)
    return first.keys() == second.keys() and all(
        len(first[key]) == len(second[key])
        and all(
            a[:2] == b[:2] and np.array_equal(a[2], b[2]) and np.array_equal(a[3], b[3])
            for a, b in zip(first[key], second[key], strict=True)
        )
        for key in first
    )


@pytest.mark.slow
def test_every_kind_of_file_is_built(archive: Path, tmp_path: Path) -> None:
    report = build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), workers=1)
    assert (report.studies, report.series, report.skipped) == (5, 5, [])
    assert report.files == 3 * 6 + 2
    assert report.slices == 3 * 3 * 6 + 6 + 1  # CT of the chest: lung, soft, bone; NIfTI and PNG: one view each
    with LocalStore.open(tmp_path / "a.index") as store:
        assert store.verify()["studies"] == 5
        assert {case.path for case in store.cases()} == {"ct0", "ct1", "ct2", "more/volume.nii.gz", "film.png"}


@pytest.mark.slow
def test_one_archive_gives_one_index(archive: Path, tmp_path: Path) -> None:
    """Shuffled and renamed files, other folders, one worker or two: same keys, same rows, same vectors."""
    shuffled = shuffle(archive, tmp_path / "shuffled")
    build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), workers=1)
    build_index(shuffled, tmp_path / "b.index", encoder=TinyEncoder(), workers=2)
    build_index(archive, tmp_path / "c.index", encoder=TinyEncoder(), workers=2)
    assert same(tmp_path / "a.index", tmp_path / "b.index")
    assert same(tmp_path / "a.index", tmp_path / "c.index")
    build_index(archive, tmp_path / "d.index", encoder=TinyEncoder(seed=1), workers=1)
    assert not same(tmp_path / "a.index", tmp_path / "d.index")


@pytest.mark.slow
def test_one_archive_gives_one_index_with_the_built_in_encoder(archive: Path, tmp_path: Path) -> None:
    encoder = load_encoder("builtin")
    build_index(archive, tmp_path / "a.index", encoder=encoder, workers=1)
    build_index(shuffle(archive, tmp_path / "shuffled"), tmp_path / "b.index", encoder=encoder, workers=2)
    assert same(tmp_path / "a.index", tmp_path / "b.index")


def shuffle(archive: Path, shuffled: Path) -> Path:
    """Copy an archive's files under other names into other folders."""
    files = sorted(p for p in archive.rglob("*") if p.is_file())
    random.Random(5).shuffle(files)
    for number, file in enumerate(files):
        target = shuffled / f"{number % 3}" / f"{number:03d}{''.join(file.suffixes)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return shuffled


@pytest.mark.slow
def test_batches_are_filled_across_series(archive: Path, tmp_path: Path) -> None:
    class Counting(TinyEncoder):
        batches = 0

        def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
            Counting.batches += 1
            assert len(slices) == self.batch_size
            return super().encode_slices(slices)

    encoder = Counting()
    report = build_index(archive, tmp_path / "a.index", encoder=encoder, workers=1)
    assert Counting.batches == -(-report.slices // encoder.batch_size)


@pytest.mark.slow
def test_a_second_run_reads_nothing(archive: Path, tmp_path: Path) -> None:
    encoder = TinyEncoder()
    first = build_index(archive, tmp_path / "a.index", encoder=encoder, workers=1)
    seen = encoder.slices_seen
    write_ct(archive / "new", 50)
    second = build_index(archive, tmp_path / "a.index", encoder=encoder, workers=1)
    assert (second.studies, second.already, second.skipped) == (1, first.studies, [])
    assert encoder.slices_seen - seen <= 18 + encoder.batch_size


SLOW_BUILD = """
import pathlib, sys, time
import radseek.index_builder.build as build
from tests.encoder_support import TinyEncoder
class Slow(TinyEncoder):
    def encode_slices(self, slices):
        if len(list(pathlib.Path(sys.argv[2], "segments").glob("0*"))) >= 2:
            time.sleep(3600)
        return super().encode_slices(slices)
build.SEGMENT_STUDIES = 2
build.build_index(sys.argv[1], sys.argv[2], encoder=Slow(), workers=1)
"""


@pytest.mark.slow
def test_a_killed_build_is_finished_by_running_it_again(tmp_path: Path) -> None:
    archive, index = tmp_path / "archive", tmp_path / "a.index"
    for seed in range(12):
        write_ct(archive / str(seed), seed)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, str(archive), str(index)], cwd=Path(__file__).parents[1]
    )
    segments = index / "segments"
    while process.poll() is None and len(list(segments.glob("0*"))) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with LocalStore.open(index) as store:
        kept = len(store.cases())
        store.verify()
    assert 2 <= kept < 12
    report = build_index(archive, index, encoder=TinyEncoder(), workers=2)
    assert (report.already, report.studies) == (kept, 12 - kept)
    build_index(archive, tmp_path / "whole.index", encoder=TinyEncoder(), workers=2)
    assert same(index, tmp_path / "whole.index")


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for seed in range(6):
        write_ct(archive / str(seed), seed)

    class Interrupted(TinyEncoder):
        def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
            if self.slices_seen > 40:
                raise KeyboardInterrupt
            return super().encode_slices(slices)

    with pytest.raises(KeyboardInterrupt):
        build_index(archive, tmp_path / "a.index", encoder=Interrupted(), workers=1)
    with LocalStore.open(tmp_path / "a.index") as store:
        assert 1 <= len(store.cases()) < 6


@pytest.mark.slow
def test_bad_files_are_lines_in_the_report(archive: Path, tmp_path: Path) -> None:
    (archive / "notes.txt").write_text("hello")
    whole = (archive / "ct1" / "0003.dcm").read_bytes()
    (archive / "zz").mkdir()
    (archive / "zz" / "cut.dcm").write_bytes(whole[: len(whole) // 3])
    (archive / "empty.nii").write_bytes(b"")
    (archive / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    report = build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), workers=1)
    assert report.studies == 5
    reasons = {s.path: s.reason_code for s in report.skipped}
    assert set(reasons) == {"notes.txt", "zz/cut.dcm", "empty.nii", "bad.png"}
    assert reasons["notes.txt"] is Reason.NOT_AN_IMAGE
    assert all(s.message for s in report.skipped)


def test_an_archive_of_nothing_is_an_empty_index(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    report = build_index(tmp_path / "archive", tmp_path / "a.index", encoder=TinyEncoder())
    assert (report.studies, report.files) == (0, 0)


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        build_index(tmp_path / "none", tmp_path / "a.index", encoder=TinyEncoder())
    with pytest.raises(UsageError, match="no source"):
        build_index([], tmp_path / "a.index", encoder=TinyEncoder())


@pytest.mark.slow
def test_another_encoder_is_refused(archive: Path, tmp_path: Path) -> None:
    build_index(archive / "ct0", tmp_path / "a.index", encoder=TinyEncoder())
    with pytest.raises(EncoderMismatchError):
        build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(seed=1))
    with LocalStore.open(tmp_path / "a.index") as store:
        assert len(store.cases()) == 1


@pytest.mark.slow
def test_a_second_writer_is_refused(archive: Path, tmp_path: Path) -> None:
    build_index(archive / "ct0", tmp_path / "a.index", encoder=TinyEncoder())
    with LocalStore.open(tmp_path / "a.index", read_only=False), pytest.raises(IndexBusyError):
        build_index(archive, tmp_path / "a.index", encoder=TinyEncoder())


@pytest.mark.slow
def test_copies_are_one_study_with_all_its_paths(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive / "more" / "volume.nii.gz", archive / "again.nii.gz")
    report = build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), workers=1)
    assert report.studies == 5
    with LocalStore.open(tmp_path / "a.index") as store:
        linkages = [store.linkage_of(case.key) for case in store.cases()]
    assert {str(archive / "again.nii.gz"), str(archive / "more" / "volume.nii.gz")} in [
        set(linkage.paths) for linkage in linkages if linkage
    ]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["skip", "error", "replace"])
def test_a_study_with_other_files(archive: Path, tmp_path: Path, policy: str) -> None:
    index = tmp_path / "a.index"
    build_index(archive / "ct0", index, encoder=TinyEncoder())
    before = contents(index)
    (archive / "ct0" / "0005.dcm").unlink()
    if policy == "error":
        with pytest.raises(UsageError, match="other files"):
            build_index(archive / "ct0", index, encoder=TinyEncoder(), on_duplicate="error")
        assert contents(index).keys() == before.keys()
        return
    report = build_index(archive / "ct0", index, encoder=TinyEncoder(), on_duplicate=policy)  # type: ignore[arg-type]
    after = contents(index)
    assert after.keys() == before.keys()
    slices = {len(rows) for views in after.values() for _, _, rows, _ in views}
    if policy == "skip":
        assert [s.reason_code for s in report.skipped] == [Reason.DUPLICATE]
        assert slices == {6}
    else:
        assert (report.studies, report.skipped, slices) == (1, [], {5})


@pytest.mark.slow
def test_reports_join_by_uid_accession_or_path(archive: Path, tmp_path: Path) -> None:
    uid = write_ct(archive / "ct0", 0)
    lines = [
        "study,report,patient",
        f'{uid},"Large nodule, right lung. No effusion.",',
        'ACC1,"Normal chest.",',
        "ct2,,",
        'more/volume.nii.gz,"Head, normal.",p77',
        'nobody,"Lost.",',
    ]
    (tmp_path / "reports.csv").write_text("\n".join(lines))
    report = build_index(
        archive, tmp_path / "a.index", encoder=TinyEncoder(), workers=1, reports=tmp_path / "reports.csv"
    )
    assert (report.studies, report.sentences, report.reports_unmatched) == (5, 4, 1)
    with LocalStore.open(tmp_path / "a.index") as store:
        found = {case.path: case for case in store.cases()}
        assert found["ct0"].sentences == ("Large nodule, right lung.", "No effusion.")
        assert found["ct1"].sentences == ("Normal chest.",)
        assert not found["ct2"].report
        assert found["more/volume.nii.gz"].patient_key
        assert not found["film.png"].report


@pytest.mark.slow
def test_a_report_that_comes_later_is_not_lost_in_silence(archive: Path, tmp_path: Path) -> None:
    index, reports = tmp_path / "a.index", tmp_path / "reports.csv"
    build_index(archive / "ct0", index, encoder=TinyEncoder())
    reports.write_text("study,report\nACC0,Clear lungs.\n")
    late = build_index(archive / "ct0", index, encoder=TinyEncoder(), reports=reports)
    assert [s.reason_code for s in late.skipped] == [Reason.DUPLICATE]
    taken = build_index(archive / "ct0", index, encoder=TinyEncoder(), reports=reports, on_duplicate="replace")
    assert (taken.studies, taken.sentences) == (1, 1)
    again = build_index(archive / "ct0", index, encoder=TinyEncoder(), reports=reports)
    assert (again.already, again.skipped) == (1, [])
    (archive / "ct0" / "0005.dcm").unlink()
    other_files = build_index(archive / "ct0", index, encoder=TinyEncoder(), on_duplicate="replace")
    assert (other_files.studies, other_files.sentences) == (1, 1)  # the report stays


@pytest.mark.slow
def test_the_index_names_nobody(archive: Path, tmp_path: Path) -> None:
    """Names, UIDs, dates and numbers planted in headers and reports are nowhere in the index folder's bytes."""
    uid = write_ct(archive / "ct9", 9, patient="MRN0099887", accession="ACC0055443")
    (tmp_path / "reports.csv").write_text(
        "study,report\n"
        f'{uid},"Dictated by Dr. Quillfeather on 17/03/2024 for MRN 0099887. '
        'Call 555-867-5309. A 12 mm nodule."\n'
    )
    build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), reports=tmp_path / "reports.csv")
    everything = b"".join(p.read_bytes() for p in (tmp_path / "a.index").rglob("*") if p.is_file())
    planted = [uid, "MRN0099887", "ACC0055443", "Planted", "Quillfeather", "17/03/2024", "20240317", "0099887"]
    planted += ["867-5309", str(archive), "ct9"]
    assert not [word for word in planted if word.encode() in everything]
    assert b"12 mm nodule" in everything
    linkage = tmp_path / "a.linkage.sqlite"
    assert uid.encode() in linkage.read_bytes()
    assert os.stat(linkage).st_mode & 0o077 == 0


@pytest.mark.slow
def test_progress_is_reported(archive: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    build_index(archive, tmp_path / "a.index", encoder=TinyEncoder(), progress=lambda *step: seen.append(step))
    stages: Sequence[str] = [stage for stage, _, _ in seen]
    assert {"find", "build"} <= set(stages)
    assert [done for stage, done, _ in seen if stage == "build"] == sorted(d for s, d, _ in seen if s == "build")


def test_a_linkage_file_that_is_gone_is_told_and_made_again(archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    build_index(archive, index, encoder=TinyEncoder(), workers=1)
    with LocalStore.open(index) as store:
        paths = {case.key: case.path for case in store.cases()}
    linkage_path(index).unlink()
    part = min(one for one in archive.iterdir() if one.is_dir())
    report = build_index(part, index, encoder=TinyEncoder(), workers=1)
    (note,) = report.notes
    assert str(linkage_path(index)) in note
    assert f"{len(paths) - report.studies} still have none" in note
    assert "radseek build" in note
    assert report.studies == 1
    linkage_path(index).unlink()
    report = build_index(archive, index, encoder=TinyEncoder(), workers=1)
    assert any("whole again" in note for note in report.notes)
    with LocalStore.open(index) as store:
        assert {case.key: case.path for case in store.cases()} == paths
    report = build_index(archive, index, encoder=TinyEncoder(), workers=1)
    assert (report.notes, report.studies) == ([], 0)
