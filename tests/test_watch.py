"""`radseek watch`: studies are added as they arrive, each once its files stand still; it ends when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from radseek.cli.main import run
from radseek.index_builder.build import BuildReport
from radseek.index_builder.discover import FoundStudy
from radseek.index_builder.watch import Only, follow, look, standing_still
from radseek.retrieval.imaging.scan import FileHeader
from radseek.retrieval.index.local_store import LocalStore
from tests.build_support import write_ct

MAIN = "import sys; from radseek.cli.main import main; main()"
LONGEST = 120  # seconds: of a start on a machine that others use


def study(*paths: Path) -> FoundStudy:
    headers = tuple(FileHeader.__new__(FileHeader) for _ in paths)
    for header, path in zip(headers, paths, strict=True):
        object.__setattr__(header, "path", str(path))
    return FoundStudy("2.25.1", "", headers, "", (), ())


def test_a_study_waits_for_all_of_its_files(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "1.dcm", tmp_path / "b.zip"
    one.parent.mkdir()
    one.write_bytes(b"1")
    other.write_bytes(b"22")
    before = look([tmp_path])
    assert set(before) == {str(one), str(other)}
    other.write_bytes(b"333")
    still = standing_still(before, look([tmp_path]))
    assert still(study(one))
    assert not still(study(one, Path(f"{other}!/2.dcm")))
    one.unlink()
    assert look([tmp_path, tmp_path / "gone"]).keys() == {str(other)}


def test_builds_come_once_something_new_stands_still(tmp_path: Path) -> None:
    """What happens before each look, and whether a build follows; one that could not be done is asked for again."""
    file = tmp_path / "1.dcm"
    happens = ["", "write", "write", "", "", "busy", "", ""]
    built: list[int] = []
    rounds = iter(range(1, len(happens) + 1))
    now = 0

    def build(only: Only) -> BuildReport | None:
        built.append(now)
        assert only(study(file))
        return None if happens[now] == "busy" else BuildReport("x", {})

    def wait() -> bool:
        nonlocal now
        now = next(rounds)
        if now == len(happens):
            return False
        if happens[now] == "write":
            file.write_bytes(b"x" * now)
        if happens[now] == "busy":
            os.utime(file, ns=(1, 1))
        return True

    reports = list(follow([tmp_path], build, wait))
    assert built == [3, 6]  # written in 1 and 2, still in 3; touched in 5, still in 6
    assert len(reports) == 2


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "in").mkdir()
    words = ["watch", str(tmp_path / "in"), "--index", str(tmp_path / "a.index"), "--model", "random", "--every", "0.3"]
    process = subprocess.Popen([sys.executable, "-c", MAIN, *words], stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


def until(holds: object, process: subprocess.Popen[str]) -> None:
    assert callable(holds)
    ends = time.monotonic() + LONGEST
    while not holds():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < ends
        time.sleep(0.2)


def studies(index: Path) -> int:
    if not (index / "manifest.json").exists():
        return 0
    with LocalStore.open(index) as store:
        return store.counts()["studies"]


@pytest.mark.slow
def test_what_arrives_is_added_until_it_is_told_to_end(tmp_path: Path, watched: subprocess.Popen[str]) -> None:
    index = tmp_path / "a.index"
    write_ct(tmp_path / "in" / "ct0", 0)
    until(lambda: studies(index) == 1, watched)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 40)
    write_ct(tmp_path / "in" / "ct1", 1)
    until(lambda: studies(index) == 2, watched)
    watched.send_signal(signal.SIGTERM)
    said = watched.communicate(timeout=LONGEST)[1]
    assert watched.returncode == 0
    assert len([line for line in said.splitlines() if line.startswith("broken.dcm: ")]) == 1
    assert "stopped; what was finished is in" in said
    assert run(["verify", str(index)]) == 0
