"""What studies are called: no two alike in one build, and back from a key to accession, date and path."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from radseek.app.session import Session
from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.local_store import LocalStore
from radseek.server.server_app import create_app
from tests.build_support import write_ct, write_picture
from tests.server_support import ADMIN, GUARDED, READ, listening

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for names of studies")


def mixed(folder: Path) -> Path:
    """Two studies in one folder, one of two folders, and a picture."""
    names = [[f"{study}{n}.dcm" for n in range(6)] for study in "ab"]
    for seed, files in enumerate(names):
        write_ct(folder / "today", seed, names=files)
    write_picture(folder / "film.png", 3)
    return folder


def test_studies_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    scans = mixed(tmp_path / "scans")
    expected = {"today#a0.dcm", "today#b0.dcm", "film.png"}
    build_index(scans, tmp_path / "a.index", model="random")
    with LocalStore.open(tmp_path / "a.index") as store:
        assert {case.path for case in store.cases()} == expected
    engine = Engine(load_encoder("random"))
    assert {row.path for row in engine.screen(scans, ["a coin"])} == expected


def test_a_study_is_never_called_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct(tmp_path / "monday", 1)
    build_index(tmp_path / "monday", tmp_path / "a.index", model="random")
    monkeypatch.chdir(tmp_path / "monday")
    build_index(".", tmp_path / "b.index", model="random")
    for name in "ab":
        with LocalStore.open(tmp_path / f"{name}.index") as store:
            assert [case.path for case in store.cases()] == ["monday"]
    assert [row.path for row in Engine(load_encoder("random")).screen(".", ["a coin"])] == ["monday"]


def test_the_same_folder_of_two_sources_is_two_names(tmp_path: Path) -> None:
    write_ct(tmp_path / "north" / "p1", 1)
    write_ct(tmp_path / "south" / "p1", 2)
    build_index([tmp_path / "north", tmp_path / "south"], tmp_path / "a.index", model="random")
    with LocalStore.open(tmp_path / "a.index") as store:
        assert {case.path for case in store.cases()} == {"north/p1", "south/p1"}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    write_ct(tmp_path / "scans" / "ct1", 1)
    build_index(tmp_path / "scans", tmp_path / "a.index", model="random")
    return tmp_path / "a.index"


def test_a_key_leads_back(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LocalStore.open(index) as store:
        (key,) = store.study_keys()
    assert run(["resolve", key, "--index", str(index), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["results"]
    assert (found["study"], found["accession"], found["date"], found["path"]) == (key, "ACC1", "2024-03-17", "ct1")
    assert found["study_uid"].endswith("1001")
    assert found["paths"] == [str(tmp_path / "scans" / "ct1" / f"000{z}.dcm") for z in range(6)]
    assert run(["resolve", key, "--index", str(index)]) == 0
    assert "ACC1" in capsys.readouterr().out
    assert run(["resolve", "2.25.1", "--index", str(index)]) == 2
    assert "has no study 2.25.1" in capsys.readouterr().err
    (tmp_path / "a.linkage.sqlite").unlink()
    assert run(["resolve", key, "--index", str(index)]) == 2
    assert "a.linkage.sqlite is not there" in capsys.readouterr().err


def test_an_admin_may_ask_the_server(index: Path) -> None:
    with Session.open(index) as own, listening(create_app(own, GUARDED)) as base:
        (key,) = own.study_keys()
        address = f"{base}/v1/studies/{key}/original"
        said = {
            token: httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=60)
            for token in (READ, ADMIN)
        }
        assert said[READ].status_code == 403
        assert {name: said[ADMIN].json()[name] for name in ("accession", "date", "path")} == {
            "accession": "ACC1",
            "date": "2024-03-17",
            "path": "ct1",
        }
