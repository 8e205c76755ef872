"""Keys and paths: a folder may be called as a key looks, and a key given as one is never taken for a path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from radseek.cli.open_engine import open_engine
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.privacy.pseudonyms import StudyKey, key_of_target
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder


def test_what_lies_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_ct(tmp_path / "2.25.1234", 1)
    (tmp_path / "2.25.77.dcm").write_bytes(b"x")
    for target in (
        "2.25.1234",
        "2.25.1234/",
        "./2.25.1234",
        "2.25.1234/0000.dcm",
        "2.25.77.dcm",
        str(tmp_path),
        Path("2.25.9"),
    ):
        assert key_of_target(target) is None, target
    assert key_of_target("2.25.9") == "2.25.9"
    assert key_of_target(StudyKey("2.25.1234")) == "2.25.1234"
    assert key_of_target(f"2.25.9{os.sep}a") is None


def test_such_a_folder_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_ct(tmp_path / "2.25.1234", 1)
    with Engine(TinyEncoder()) as engine:
        for target in ("2.25.1234", "2.25.1234/"):
            (row,) = engine.screen(target, ["nodule"]).results
            assert row.study.startswith("2.25.")
        with pytest.raises(UsageError, match="needs an index"):
            engine.screen(StudyKey("2.25.1234"), ["nodule"])
        with pytest.raises(UsageError, match="needs an index"):
            engine.screen("2.25.5678", ["nodule"])
    with pytest.raises(UsageError, match="--index DIR"), open_engine("2.25.5678", None, "random"):
        pass
