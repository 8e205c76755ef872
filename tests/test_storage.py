"""Full, read-only and broken disks: one sentence with the folder and the bytes, exit code 8, the index as it was."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radseek.index_builder.build_notes
import radseek.retrieval.disk_errors
from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.retrieval.disk_errors import require_room, sqlite_storage_error, using_temporary_database, writing_to
from radseek.retrieval.errors import IndexBusyError, StorageError
from radseek.retrieval.imaging import zip_members
from radseek.retrieval.index import commit, new_index
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.catalog.sqlite_file import guarded
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.segments import segment_folders
from radseek.retrieval.workers import supervised_map
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import make_records

CODES = ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount small file systems in memory; skips where that is not allowed."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs needs root")
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
        if made.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def contents(index: Path) -> dict[str, Any]:
    with LocalStore.open(index) as store:
        store.verify()
        return {case.key: (case.path, case.sentences) for case in store.cases()}


def test_errors_of_the_system_become_sentences(tmp_path: Path) -> None:
    said = {}
    for name in CODES:
        with pytest.raises(StorageError) as caught, writing_to(tmp_path, 10**15):
            raise OSError(getattr(errno, name), "as the system says")
        said[name] = str(caught.value)
        assert caught.value.exit_code == 8
        assert str(tmp_path) in said[name]
    assert "1,000,000,000,000,000 are needed" in said["ENOSPC"]
    free = shutil.disk_usage(tmp_path).free
    assert abs(int(said["ENOSPC"].split(": ")[1].split(" bytes")[0].replace(",", "")) - free) < 1 << 33
    assert "read-only" in said["EROFS"]
    assert "permission" in said["EACCES"]
    with pytest.raises(FileNotFoundError), writing_to(tmp_path):  # what is not of the disk stays what it is
        (tmp_path / "no" / "such").read_text()


def test_what_sqlite_says_of_the_disk_is_told_from_damage(tmp_path: Path) -> None:
    full = sqlite3.connect(tmp_path / "a.sqlite")
    full.execute("CREATE TABLE t (x)")
    full.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        full.executemany("INSERT INTO t VALUES (zeroblob(4000))", [()] * 100)
    assert isinstance(sqlite_storage_error(caught.value, tmp_path), StorageError)
    with pytest.raises(StorageError, match="TMPDIR"), using_temporary_database(tmp_path):
        raise caught.value
    full.rollback()
    full.close()
    read_only = sqlite3.connect(f"file:{tmp_path / 'a.sqlite'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        read_only.execute("INSERT INTO t VALUES (1)")
    assert isinstance(sqlite_storage_error(caught.value, tmp_path), StorageError)
    read_only.close()
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(":memory:").execute("SELECT * FROM missing")
    assert sqlite_storage_error(caught.value, tmp_path) is None
    one, other = (sqlite3.connect(tmp_path / "a.sqlite", timeout=0, isolation_level=None) for _ in range(2))
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        other.execute("BEGIN IMMEDIATE")
    busy = sqlite_storage_error(caught.value, tmp_path)
    assert isinstance(busy, IndexBusyError)
    assert busy.exit_code == 7
    one.close()
    other.close()


def test_room_is_asked_for_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_room(tmp_path / "not" / "there" / "yet", 1)
    with pytest.raises(StorageError, match="about"):
        require_room(tmp_path, 1 << 60)
    index = tmp_path / "a.index"
    with LocalStore.create(index, tiny_spec()) as store:
        store.add(make_records(3))
    before, files = contents(index), sorted(index.rglob("*"))
    monkeypatch.setattr(radseek.retrieval.disk_errors, "_free", lambda _: 1000)
    with LocalStore.open(index, read_only=False) as store:
        with pytest.raises(StorageError, match="1,000 bytes are free, and about"):
            store.add(make_records(6)[3:])
        assert store.generation == 1
    assert contents(index) == before
    assert sorted(index.rglob("*")) == files


@pytest.mark.slow
def test_what_a_commit_needs_is_no_less_than_what_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed: list[int] = []
    monkeypatch.setattr(commit, "require_room", lambda _, bytes_: needed.append(bytes_))

    def used() -> int:
        return sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*") if path.is_file())

    with LocalStore.create(tmp_path / "a.index", tiny_spec()) as store:
        for count, slices in ((1, 1), (1, 160), (32, 8), (32, 60)):
            start = len(contents(tmp_path / "a.index")) + 1000 * len(needed)
            sentences = ["A sentence of some length about the chest, number one." * 3] * 10
            before = used()
            store.add(make_records(start + count, sentences=sentences, slices=slices)[start:])
            assert used() - before <= needed[-1], (count, slices)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["segment", "catalogue", "linkage"])
def test_a_disk_that_fills_in_the_middle_leaves_the_index(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, sources = tmp_path / "a.index", tmp_path / "archive"
    for seed in range(3):
        write_ct(sources / f"ct{seed}", seed)
    build_index(sources / "ct0", index, encoder=TinyEncoder(), workers=1)
    before = contents(index)

    def full(*_: object, **__: object) -> None:
        if step == "segment":
            raise OSError(errno.ENOSPC, "No space left on device")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    with monkeypatch.context() as patch:
        if step == "segment":
            patch.setattr(segment_folders, "_write_array", full)
        elif step == "catalogue":
            patch.setattr(catalog_write, "insert_study", full)
        else:
            patch.setattr(LinkageFile, "put", guarded(index.with_name("a.linkage.sqlite"))(full))
        with pytest.raises(StorageError, match=rf"{re.escape(str(tmp_path))}.* has no room left"):
            build_index(sources, index, encoder=TinyEncoder(), workers=1)
    assert contents(index) == before
    assert not list((index / "segments").glob(".draft*"))
    assert len(list((index / "segments").iterdir())) == 1
    again = build_index(sources, index, encoder=TinyEncoder(), workers=1)
    assert (again.already, again.studies) == (1, 2)


@pytest.mark.slow
def test_the_command_says_it_in_one_sentence_and_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ct(tmp_path / "ct", 1)
    monkeypatch.setattr(commit, "require_room", lambda folder, needed: require_room(folder, 1 << 60))
    command = ["build", str(tmp_path / "ct"), "--index", str(tmp_path / "a.index"), "--model", "random", "--json"]
    assert run(command) == 8
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert (error["kind"], error["exit_code"]) == ("StorageError", 8)
    assert str(tmp_path / "a.index") in error["message"]
    assert "needed" in error["message"]
    assert "Traceback" not in printed.err
    assert contents(tmp_path / "a.index") == {}


def test_a_full_temporary_folder_is_not_the_archives_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct(tmp_path / "ct", 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for file in sorted((tmp_path / "ct").iterdir()):
            packed.write(file, file.name)

    class Full:
        def __enter__(self) -> Full:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __exit__(self, *_: object) -> None:
            """Nothing was opened."""

    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *a, **k: Full() if mode == "wb" else opened(self, mode, *a, **k)
    )
    with zip_members.open_zip(tmp_path / "a.zip") as packed:
        info = zip_members.members(packed, tmp_path / "a.zip")[0]
        with pytest.raises(StorageError, match="TMPDIR"):
            zip_members.unpack(packed, info, tmp_path / "out", tmp_path / "a.zip")


def full_in_a_worker(_task: int) -> None:
    raise StorageError("/tmp has no room left")


@pytest.mark.slow
def test_a_full_disk_in_a_worker_ends_the_run() -> None:
    with pytest.raises(StorageError, match="no room left"):
        list(supervised_map("tests.test_storage:full_in_a_worker", [1, 2], workers=1))


def test_no_folder_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(StorageError, match="TMPDIR"), radseek.index_builder.build_notes.scratch_database():
        pass


@pytest.mark.slow
def test_outputs_on_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    write_ct(tmp_path / "ct", 1)
    for options in (["--format", "csv"], ["--format", "parquet"]):
        out = tmp_path / f"out{options[-1]}"
        out.symlink_to("/dev/full")  # never the device by its name: pyarrow deletes what it could not write
        command = ["screen", str(tmp_path / "ct"), "--finding", "nodule", "--model", "random", "--out", str(out)]
        assert run([*command, *options]) == 8, options
        assert f"{tmp_path} has no room left" in capsys.readouterr().err


def test_an_output_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with LocalStore.create(tmp_path / "a.index", tiny_spec()):
        pass
    with suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:  # its end complains once more
        monkeypatch.setattr(sys, "stdout", full)
        assert run(["info", str(tmp_path / "a.index"), "--json"]) == 8


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    write_ct(tmp_path / "ct", 1)
    (tmp_path / "closed").mkdir(mode=0o500)
    command = ["build", str(tmp_path / "ct"), "--index", str(tmp_path / "closed" / "a.index"), "--model", "random"]
    assert run(command) == 8
    assert "no permission" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("asks", [True, False], ids=["asks for room first", "meets the full disk"])
def test_what_was_committed_is_there_wherever_the_disk_ends(
    asks: bool, small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not asks:
        for module in (commit, new_index):
            monkeypatch.setattr(module, "require_room", lambda *_: None)
    records = make_records(32, sentences=["A sentence of some length about the chest."] * 5, slices=20)
    found = {}
    for size in range(100, 1300, 150):
        index, committed = small_disk(f"{size}k") / "a.index", 0
        with suppress(StorageError), LocalStore.create(index, tiny_spec()) as store:
            for start in range(0, len(records), 8):
                store.add(records[start : start + 8])
                committed += 8
        there = len(contents(index)) if (index / "manifest.json").exists() else 0
        found[size] = (committed, there)
    assert all(committed == there for committed, there in found.values()), found
    assert len({committed for committed, _ in found.values()}) > 2  # some sizes end in the middle


@pytest.mark.slow
def test_small_disks(small_disk: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever size fits or not: a build is done or says what lacks, and leaves an index that opens and verifies."""
    sources = tmp_path / "archive"
    for seed in range(3):
        write_ct(sources / f"ct{seed}", seed)
    done: dict[str, int] = {}
    said: list[bool] = []
    for size in ("64k", "300k", "450k", "64m"):
        index = small_disk(size) / "a.index"
        try:
            done[size] = build_index(sources, index, encoder=TinyEncoder(), workers=1).studies
        except StorageError as error:
            done[size] = 0
            said.append(str(index) in str(error))
        if (index / "manifest.json").exists():
            assert len(contents(index)) == done[size]
    assert (done["64k"], done["64m"]) == (0, 3)
    assert all(said)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("noise.dcm", np.random.default_rng(0).bytes(200_000))
    temporary = small_disk("64k")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with pytest.raises(StorageError, match=r"about 200,000 are needed.*TMPDIR") as caught:
        build_index(tmp_path / "a.zip", tmp_path / "z.index", encoder=TinyEncoder(), workers=1)
    assert str(temporary) in str(caught.value)
