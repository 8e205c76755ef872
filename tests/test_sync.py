"""`radseek sync`: an index follows its folders; what left is listed, forgotten when told, never a disk that is away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.left_studies import LeftStudy, left_studies, require_few_left
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.privacy.pseudonyms import load_key
from tests.build_support import write_ct, write_picture
from tests.encoder_support import TinyEncoder

SOURCE = Path("/archive")


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for folders that are followed")


def gone(*paths: str) -> list[LeftStudy]:
    return [LeftStudy(path, path, (path,)) for path in paths]


def test_a_disk_that_is_away_is_told_from_studies_that_left() -> None:
    few = gone("/archive/1/a", "/archive/2/a")
    require_few_left(few, {SOURCE: 20}, None)
    require_few_left(gone("/archive/1/a"), {SOURCE: 2}, None)  # one may always go
    require_few_left(few, {SOURCE: 3}, 2)
    with pytest.raises(UsageError, match=r"2 of 19 studies of /archive .*--at-most 2"):
        require_few_left(few, {SOURCE: 19}, None)
    with pytest.raises(UsageError, match="All 2 studies of /archive are gone"):
        require_few_left(few, {SOURCE: 2}, 5)
    with pytest.raises(UsageError, match="All 1 studies of /disk are gone"):  # each source by itself
        require_few_left([*few, *gone("/disk/a")], {SOURCE: 50, Path("/disk"): 1}, 5)
    replaced = [LeftStudy("k", "a.png", ("/archive/a.png",), is_replaced=True)]
    require_few_left(replaced, {SOURCE: 1}, None)  # something lies there: the disk is not away


def test_a_folder_that_is_there_and_empty_held_a_disk(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    away = gone(*(str(tmp_path / "mount" / f"ct{n}" / "1.dcm") for n in range(2)))
    with pytest.raises(UsageError, match="is empty and held 2 studies"):
        require_few_left(away, {tmp_path: 100}, 50)
    (tmp_path / "mount").rmdir()
    (tmp_path / "other").mkdir()
    require_few_left(away, {tmp_path: 100}, None)


@pytest.mark.slow
def test_what_left_what_was_overwritten_and_what_lies_elsewhere(tmp_path: Path) -> None:
    scans, other, index = tmp_path / "scans", tmp_path / "other", tmp_path / "a.index"
    for seed in range(2):
        write_ct(scans / f"ct{seed}", seed)
    write_picture(scans / "film.png", 3)
    write_ct(other / "ct9", 9)
    build_index([scans, other], index, encoder=TinyEncoder(), workers=1)
    shutil.rmtree(scans / "ct0")
    shutil.rmtree(other / "ct9")
    write_picture(scans / "film.png", 4)
    build_index(scans, index, encoder=TinyEncoder(), workers=1)
    (scans / "ct1" / "0000.dcm").unlink()  # a part of a study is no study that left
    with LocalStore.open(index) as store:
        left, counts = left_studies(store, [scans], load_key(make=False))
        assert [(one.path, one.is_replaced) for one in left] == [("ct0", False), ("film.png", True)]
        assert counts == {scans: 4}
        (new,) = (case.key for case in store.cases() if case.path == "film.png" and case.key != left[1].key)
        assert new
        shutil.rmtree(scans)
        assert len(left_studies(store, [scans], load_key(make=False))[0]) == 4


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["sync", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.slow
def test_the_command_lists_refuses_and_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scans = tmp_path / "scans"
    for number in range(3):
        write_picture(scans / f"{number}.png", number)
    told = [str(scans), "--index", str(tmp_path / "a.index"), "--model", "random"]
    assert said(capsys, *told)["studies"] == 3
    (scans / "0.png").unlink()
    first = said(capsys, *told)
    assert ([one["path"] for one in first["left"]], first["left_forgotten"]) == (["0.png"], False)
    (scans / "1.png").rename(tmp_path / "1.png")
    assert run(["sync", *told, "--forget"]) == 2
    assert "2 of 3 studies" in capsys.readouterr().err
    done = said(capsys, *told, "--forget", "--at-most", "2")
    assert (len(done["left"]), done["left_forgotten"]) == (2, True)
    (tmp_path / "1.png").rename(scans / "1.png")
    again = said(capsys, *told)
    assert (again["studies"], again["forgotten"], again["left"]) == (0, 1, [])  # forgotten is forgotten
    with LocalStore.open(tmp_path / "a.index") as store:
        assert store.verify()["studies"] == 1
    assert run(["sync", *told, "--at-most", "2"]) == 2
