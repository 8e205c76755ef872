"""Encoders side by side: the same studies and words, paired differences, time and memory of each build."""

from __future__ import annotations

import json
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest

from radseek.cli.main import run
from radseek.index_builder.comparison.compare_models import compare_models, index_folders
from radseek.index_builder.comparison.measured_build import measured_build
from radseek.index_builder.labels.label_file import read_labels
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import NoTextTowerError, UnknownNameError, UsageError, WorkerError
from radseek.retrieval.evaluation.score_comparison import compare_scores
from tests.build_support import write_ct
from tests.encoder_folder_support import write_folder
from tests.image_folder_support import write_dinov2

pytestmark = pytest.mark.slow
SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "schema" / "compare.json"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    rows = ["study,finding,label"]
    for seed in range(6):
        write_ct(folder / "scans" / f"ct{seed}", seed)
        rows += [f"ACC{seed},lung nodule,{seed % 2}", f"ACC{seed},pleural effusion,1"]
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    return folder


def test_two_encoders_on_the_same_studies(labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, out = write_folder(tmp_path / "other"), tmp_path / "out"
    files = [str(labelled / "scans"), "--labels", str(labelled / "labels.csv"), "--out", str(out)]
    assert run(["compare", *files, "--models", f"random,{other}", "--repeats", "20", "--workers", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((out / "comparison.json").read_text("utf8"))
    assert jsonschema_rs.is_valid(json.loads(SCHEMA.read_text("utf8")), document)
    first, second = document["models"]
    assert (first["model"], second["model"], document["studies"]) == ("random", str(other), 6)
    for one in (first, second):
        assert one["build"]["studies"] == 6
        assert one["build"]["seconds"] > 0
        assert one["build"]["peak_mib"] > 50
    nodule, effusion = second["results"]
    assert (effusion["finding"], effusion["auroc"], effusion["against_first"]) == ("pleural_effusion", None, None)
    margins = []
    for index, model in (("random.index", None), ("other.index", other)):
        with Engine.open(out / index, model) as engine:
            rows = sorted(engine.screen(findings=["lung nodule"]).results, key=lambda row: row.study)
            margins.append([row.margin for row in rows])
    truth = [int(str(row.path)[-1]) % 2 for row in rows]
    expected = compare_scores(truth, *np.array(margins, float), list(range(6)), repeats=20)
    assert nodule["against_first"]["difference"]["value"] == pytest.approx(expected.difference.value, abs=1e-5)
    assert nodule["against_first"]["p"] == pytest.approx(expected.p, abs=1e-5)
    assert (out / "comparison.csv").read_text("utf8").count("\n") == 5


def test_one_encoder_is_no_comparison(labelled: Path, tmp_path: Path) -> None:
    labels = read_labels(labelled / "labels.csv")
    for models in (["random"], ["random", "random"], ["a/random", "a/random/"]):
        with pytest.raises(UsageError, match="at least two different ones"):
            compare_models([labelled / "scans"], models, labels, tmp_path)


def test_an_encoder_that_cannot_be_compared_is_said_before_anything_is_built(labelled: Path, tmp_path: Path) -> None:
    labels, out = read_labels(labelled / "labels.csv"), tmp_path / "out"
    for last, error in ((str(write_dinov2(tmp_path / "no_words")), NoTextTowerError), ("no_such", UnknownNameError)):
        with pytest.raises(error):
            compare_models([labelled / "scans"], ["random", last], labels, out)
    assert not out.exists()


def test_encoders_of_one_name_have_folders_of_their_own() -> None:
    first, second, other = index_folders(["runs/a/encoder", "runs/b/encoder", "builtin"])
    assert first != second
    assert first.startswith("encoder-")
    assert other == "builtin.index"


def test_a_build_that_is_killed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_given: object) -> None:
        raise BrokenProcessPool("gone")

    monkeypatch.setattr("concurrent.futures.process.ProcessPoolExecutor.submit", killed)
    with pytest.raises(WorkerError, match="as where memory runs out"):
        measured_build([tmp_path], tmp_path / "a.index", "builtin", {})
