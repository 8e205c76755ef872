"""`radseek calibrate`: its table, its document, its refusals, and `screen` after it, on a planted signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radseek.cli.main import run
from radseek.index_builder.labels import labelled_index
from radseek.prompts.catalogue import find
from radseek.retrieval.document import NOTICE
from radseek.retrieval.encoders import load_encoder as loading
from radseek.retrieval.engine import Engine
from radseek.retrieval.evaluation import calibration_fit
from radseek.retrieval.explain.evidence import ScoreItem
from radseek.retrieval.index.index_calibration import CALIBRATION_FILE
from tests.calibration_support import FILMS, Planted, drawn, plant
from tests.each_support import each
from tests.encoder_folder_support import write_folder
from tests.encoder_support import TinyEncoder
from tests.test_json_schemas import valid

ASKED = [FILMS["pleural_effusion"], FILMS["cardiomegaly"]]
PRESENT = drawn(120, [0.5, 0.1])


@pytest.fixture(autouse=True)
def _no_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of noise: whether a study is one of its kind is tested elsewhere."""
    monkeypatch.setattr("radseek.retrieval.index.closeness.FEWEST", 10_000)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """The second finding is in twelve studies: too few."""
    monkeypatch.setattr(calibration_fit, "_REPEATS", 10)
    monkeypatch.setattr(labelled_index, "load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.setattr(labelled_index, "check_here", lambda name: name)
    monkeypatch.setattr(loading, "load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.setattr(loading, "check_here", lambda name: name)
    return plant(tmp_path / "a.index", TinyEncoder(), ASKED, PRESENT, shift=3.0)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Wide, by accession number, with a name that is of no study."""
    rows = [f"A{number},{int(one)},{int(other)}" for number, (one, other) in enumerate(PRESENT)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["accession,Pleural Effusion,Cardiomegaly", *rows, "A999,1,0"]), "utf8")
    return path


def document(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_the_document_is_as_its_schema_says(planted: Planted, labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    wanted = ["calibrate", str(planted.path), "--labels", str(labels), "--sensitivity", "0.9", "--specificity", "0.8"]
    assert run([*wanted, "--json"]) == 0
    said = valid("calibrate", capsys.readouterr().out)
    effusion, heart = said["results"]
    assert (said["fitted"], said["coverage"]) == (1, 0.9)
    assert (effusion["method"], effusion["reason"]) == ("platt", None)
    assert [one["rule"] for one in effusion["operating_points"]] == ["youden", "sensitivity", "specificity"]
    assert (heart["method"], heart["reason"]) == (None, "few_present")
    assert said["labels"]["unmatched"] == {"count": 1, "first": ["A999"]}
    kept = (planted.path / CALIBRATION_FILE).read_bytes()
    assert run([*wanted, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == said
    assert (planted.path / CALIBRATION_FILE).read_bytes() == kept


def test_the_table_says_what_was_fitted_and_why_the_rest_was_not(
    planted: Planted, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", str(planted.path), "--labels", str(labels)]) == 0
    told = capsys.readouterr()
    assert "1 of 2 fitted" in told.out
    assert "youden" in told.out
    assert "cardiomegaly radiograph one real: not fitted:" in told.err
    assert "1 names are of no study" in told.err or "A999" in told.err
    assert NOTICE in told.err


def test_only_what_is_asked_is_fitted(planted: Planted, labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = planted.path
    by_name = document(capsys, "calibrate", index, "--labels", labels, "--finding", "pleural fluid")
    by_set = document(capsys, "calibrate", index, "--labels", labels, "--findings", "chest_xray", "--coverage", "0.8")
    assert [one["finding"] for one in by_name["results"]] == ["pleural_effusion"]
    words = {one["finding"]: one["words"] for one in by_set["results"]}
    assert words.keys() == {"pleural_effusion", "cardiomegaly"}
    assert find("pleural fluid").name == "pleural_effusion"
    assert by_name["results"][0]["words"] == words["pleural_effusion"]  # named alone it is read on CT, too
    assert [one["conformal"]["coverage"] for one in by_set["results"] if one["conformal"]] == [0.8]


@each("words, said", [
    (["--coverage", "1.5"], "share between 0 and 1"),
    (["--sensitivity", "0"], "share between 0 and 1"),
    (["--finding", "hip fracture"], "labels none of"),
    (["--finding", "effusion", "--findings", "chest_xray"], "not both"),
    (["--findings", "chest_xrays"], "chest_xray"),
])  # fmt: skip
def test_what_cannot_be_says_so(
    planted: Planted, labels: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", str(planted.path), "--labels", str(labels), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (planted.path / CALIBRATION_FILE).exists()


@pytest.mark.slow
def test_screen_answers_with_probabilities_after_it(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkpoint folder of random weights, as anybody's own encoder is given."""
    monkeypatch.setattr(calibration_fit, "_REPEATS", 10)
    encoder = loading.load_encoder(write_folder(tmp_path / "towers", seed=3))
    made = plant(tmp_path / "a.index", encoder, ASKED, PRESENT, shift=3.0)
    asked = ["screen", made.path, "--finding", "pleural effusion"]
    before = document(capsys, *asked)["results"]
    assert {row["probability"] for row in before} == {None}
    assert document(capsys, "calibrate", made.path, "--labels", labels)["fitted"] == 1
    after = document(capsys, *asked)["results"]
    assert {row["state"] for row in after} >= {"present", "absent"}
    assert all(0 < row["probability"] < 1 for row in after)
    assert [row["margin"] for row in after] == [row["margin"] for row in before]
    with Engine.open(made.path) as engine:
        told = engine.explain(made.labels.studies[0], ["pleural effusion"])
        assert engine.is_current()
        (made.path / CALIBRATION_FILE).unlink()
        assert not engine.is_current()
    assert next(item.probability for item in told.evidence.items if isinstance(item, ScoreItem)) is not None
