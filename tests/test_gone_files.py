"""Studies whose files are gone: `info` lists them, `relink` finds them again, `compact --gone` removes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.retrieval.index.local_store import LocalStore
from tests.build_support import write_ct, write_nifti

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for files that are gone")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    for seed in range(2):
        write_ct(tmp_path / "scans" / f"ct{seed}", seed)
    write_nifti(tmp_path / "scans" / "v.nii.gz", 3)
    build_index(tmp_path / "scans", tmp_path / "a.index", model="random")
    return tmp_path / "a.index"


def gone(index: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert run(["info", str(index), "--json"]) == 0
    return sorted(one["path"] for one in json.loads(capsys.readouterr().out)["gone"])


def test_they_are_listed_and_found_again(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gone(index, capsys) == []
    (tmp_path / "scans").rename(tmp_path / "moved")
    assert gone(index, capsys) == ["ct0", "ct1", "v.nii.gz"]
    assert run(["info", str(index)]) == 0
    said = capsys.readouterr()
    assert "studies whose files are gone" in said.out
    assert "`radseek relink` where they were moved" in said.err
    assert run(["compact", str(index), "--gone"]) == 2  # all of them: the disk is away
    assert "Nothing was removed" in capsys.readouterr().err
    assert run(["relink", str(index), "--from", str(tmp_path / "scans"), "--to", str(tmp_path / "moved")]) == 0
    assert gone(index, capsys) == []


def test_they_are_removed_when_told_and_built_again_when_back(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(tmp_path / "scans" / "ct1", tmp_path / "kept")
    (tmp_path / "scans" / "ct0" / "0000.dcm").unlink()  # a part that is missing is no study that is gone
    assert gone(index, capsys) == ["ct1"]
    assert run(["compact", str(index)]) == 0
    assert gone(index, capsys) == ["ct1"]
    assert run(["compact", str(index), "--gone"]) == 0
    assert "1 studies whose files are gone were removed" in capsys.readouterr().err
    with LocalStore.open(index) as store:
        assert store.verify()["studies"] == 2
    shutil.move(tmp_path / "kept", tmp_path / "scans" / "ct1")
    assert build_index(tmp_path / "scans" / "ct1", index, model="random").studies == 1


def test_without_a_linkage_file_nothing_is_known_to_be_gone(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index.with_name("a.linkage.sqlite").unlink()
    assert gone(index, capsys) == []
