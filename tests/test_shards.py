"""Shards of one build: no study torn or lost, finished ones passed over, merged as one build writes them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.build import Tables
from radseek.index_builder.shards.finished_shard import SUCCESS, shard_folder
from radseek.index_builder.shards.shard import Shard
from radseek.index_builder.shards.shard_build import build_shard
from radseek.index_builder.shards.shard_merge import merge_shards
from radseek.retrieval.errors import EncoderMismatchError, IndexDamagedError, UsageError
from radseek.retrieval.index.local_store import LocalStore
from tests.build_support import write_ct, write_nifti, write_picture
from tests.encoder_support import TinyEncoder
from tests.index_support import key_of
from tests.shard_support import rows_of

pytestmark = pytest.mark.slow
COUNT = 3


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six studies, one of two folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("shards") / "archive"
    for seed in range(3):
        write_ct(folder / f"ct{seed}", seed, patient="PAT")
    write_ct(folder / "more" / "ct1", 1, names=[f"again{z}.dcm" for z in range(6)])  # the same UIDs elsewhere
    write_nifti(folder / "more" / "volume.nii.gz", 7)
    write_picture(folder / "film.png", 8)
    write_picture(folder / "film2.png", 9)
    (folder / "notes.txt").write_text("not an image")
    (folder.parent / "reports.csv").write_text("study,report\nACC1,Small nodule. No effusion.\nACC2,Clear lungs.\n")
    return folder


def built(archive: Path, index: Path, numbers: range | list[int] = range(1, COUNT + 1)) -> list[Path]:
    tables = Tables(archive.parent / "reports.csv")
    for number in numbers:
        build_shard([archive], index, Shard(COUNT, number), encoder=TinyEncoder(), tables=tables, workers=1)
    return [shard_folder(index, Shard(COUNT, number)) for number in range(1, COUNT + 1)]


@given(st.integers(1, 40), st.integers(0, 5_000))
def test_every_study_is_in_one_shard(count: int, study: int) -> None:
    parts = [Shard(count, number) for number in range(1, count + 1)]
    assert sum(part.holds(key_of("study", study)) for part in parts) == 1
    assert [Shard.parse(str(part)) for part in parts] == parts


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/100000"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_merged_shards_are_what_one_build_writes(archive: Path, tmp_path: Path) -> None:
    whole = build_index(
        archive, tmp_path / "one.index", encoder=TinyEncoder(), reports=archive.parent / "reports.csv", workers=1
    )
    folders = built(archive, tmp_path / "many.index")
    merged = merge_shards(tmp_path / "many.index", reversed(folders))
    assert rows_of(tmp_path / "many.index") == rows_of(tmp_path / "one.index")
    one, other = whole.to_dict(), merged.to_dict()
    for name in ("index", "generation", "seconds", "notes"):
        one.pop(name), other.pop(name)
    assert other == one
    again = merge_shards(tmp_path / "many.index", folders)
    assert (again.studies, again.already, again.generation) == (0, merged.studies, merged.generation)
    # what is added later by an ordinary build knows them
    assert build_index(archive, tmp_path / "many.index", encoder=TinyEncoder(), workers=1).already == merged.studies


def test_a_finished_shard_is_passed_over_and_a_changed_one_refused(archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    folders = built(archive, index)
    before = {file: file.stat().st_mtime_ns for folder in folders for file in folder.rglob("*") if file.is_file()}
    report = build_shard(
        [archive], index, Shard(COUNT, 1), encoder=TinyEncoder(), tables=Tables(archive.parent / "reports.csv")
    )
    assert report.studies == 0
    assert before == {
        file: file.stat().st_mtime_ns for folder in folders for file in folder.rglob("*") if file.is_file()
    }
    assert stat.S_IMODE((folders[0] / SUCCESS).stat().st_mode) == 0o600
    with LocalStore.open(folders[0] / "shard.index") as store:
        assert report.already == store.counts()["studies"]
    file = next(folders[1].rglob("slices.f16.npy"), folders[1] / "shard.index" / "catalog.sqlite")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="00002-of-00003"):
        merge_shards(index, folders)
    assert not index.exists()


def test_what_is_no_whole_build_is_not_merged(archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    folders = built(archive, index)
    other = shard_folder(tmp_path / "b.index", Shard(COUNT, 3))
    build_shard([archive], tmp_path / "b.index", Shard(COUNT, 3), encoder=TinyEncoder(seed=1), workers=1)
    for given_folders, error, words in (
        (folders[:2], UsageError, "3/3"),
        ([*folders, folders[0]], UsageError, "both shard 1/3"),
        ([], UsageError, "no shard"),
        ([*folders[:2], tmp_path / "nothing"], UsageError, "no shard's folder"),
        ([*folders[:2], other], EncoderMismatchError, "another encoder"),
    ):
        with pytest.raises(error, match=words):
            merge_shards(index, given_folders)
    (folders[2] / SUCCESS).unlink()
    with pytest.raises(UsageError, match="not finished"):
        merge_shards(index, folders)
    assert not index.exists()


def test_duplicates_and_forgotten_studies_are_as_in_a_build(archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    folders = built(archive, index)
    changed = tmp_path / "changed"
    uid = write_ct(changed / "ct0", 50, study_uid="1.2.826.0.1.3680043.8.498.1000", patient="PAT")
    assert uid.endswith("1000")
    build_index(changed, index, encoder=TinyEncoder(), workers=1)
    with pytest.raises(UsageError, match="--on-duplicate replace"):
        merge_shards(index, folders, on_duplicate="error")
    skipped = merge_shards(index, folders)
    assert [line.path for line in skipped.skipped if "--on-duplicate" in line.message] == ["ct0"]
    replaced = merge_shards(index, folders, on_duplicate="replace")
    assert ([one.path for one in replaced.changed], replaced.studies) == (["ct0"], 1)
    with LocalStore.open(index, read_only=False) as store:
        gone = next(case.key for case in store.cases() if case.path == "ct2")
        store.forget([gone])
    assert merge_shards(index, folders).forgotten == 1
    assert merge_shards(index, folders, readmit=True).studies == 1


def test_a_shard_that_is_killed_is_finished_by_the_same_command(archive: Path, tmp_path: Path) -> None:
    """A kill -9 at the first sign of work."""
    index, second = tmp_path / "many.index", Shard(COUNT, 2)
    code = (
        "import sys; from pathlib import Path; from tests.encoder_support import TinyEncoder; from tests.test_shards "
        "import built; built(Path(sys.argv[1]), Path(sys.argv[2]), [2])"
    )
    command = [sys.executable, "-c", code, str(archive), str(index)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL) as killed:
        folder = shard_folder(index, second)
        while not (folder / "shard.index" / "catalog.sqlite").exists():
            assert killed.poll() is None
            time.sleep(0.02)
        os.kill(killed.pid, signal.SIGKILL)
    assert not (folder / SUCCESS).exists()
    folders = built(archive, index, [1, 3])
    with pytest.raises(UsageError, match="not finished"):
        merge_shards(index, folders)
    merge_shards(index, built(archive, index, [2]))
    reports = archive.parent / "reports.csv"
    build_index(archive, tmp_path / "one.index", encoder=TinyEncoder(), reports=reports, workers=1)
    assert rows_of(index) == rows_of(tmp_path / "one.index")


def test_the_documents_are_those_of_a_build(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = str(tmp_path / "a.index")
    assert run(["build", str(archive), "--index", index, "--model", "random", "--shard", "1/1", "--json"]) == 0
    shard = json.loads(capsys.readouterr().out)
    assert run(["merge", index, f"{index}.shards/00001-of-00001", "--json"]) == 0
    merged = json.loads(capsys.readouterr().out)
    assert shard.keys() == merged.keys()
    assert shard["studies"] == merged["studies"] == 6
    assert run(["build", str(archive), "--index", index, "--shard", "1/1", "--engine", "ray"]) == 2
