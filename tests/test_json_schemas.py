"""The JSON contract: every document that the command prints is what docs/schema says, and nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from radseek.cli.main import run
from radseek.retrieval.errors import Reason
from radseek.retrieval.scoring.score_results import SCREEN_COLUMNS
from tests.build_support import write_ct, write_picture
from tests.each_support import each

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schema"
SCHEMAS: dict[str, Any] = {path.stem: json.loads(path.read_text("utf8")) for path in sorted(FOLDER.glob("*.json"))}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schema") / "archive"
    folder.mkdir()
    for seed in range(3):
        write_ct(folder / f"ct{seed}", seed)
    write_picture(folder / "film.png", 8)
    (folder / "notes.txt").write_text("not an image")
    (folder.parent / "reports.csv").write_text("study,report\nACC1,Small nodule. No effusion.\nACC2,Clear lungs.\n")
    return folder


def valid(name: str, text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    faults = [f"{error.instance_path}: {error.message}" for error in jsonschema_rs.iter_errors(SCHEMAS[name], document)]
    assert not faults
    return document


def test_there_is_a_schema_for_each_answer_and_each_is_one() -> None:
    answers = {"build", "classify", "explain", "screen", "search", "similar", "sync"}
    assert set(SCHEMAS) == answers | {"calibrate", "compare", "evaluate", "probe", "prompts_test", "prompts_tune"}
    assert all(jsonschema_rs.meta.is_valid(schema) for schema in SCHEMAS.values())


@each("name", sorted(SCHEMAS))
def test_what_is_no_such_document_is_refused(name: str) -> None:
    assert not jsonschema_rs.is_valid(SCHEMAS[name], {})
    assert not jsonschema_rs.is_valid(SCHEMAS[name], {"notice": ""})


def test_reason_codes_and_columns_are_those_of_the_code() -> None:
    lines = SCHEMAS["screen"]["properties"]["skipped"]["items"]["properties"]
    assert lines["reason_code"]["enum"] == [reason.value for reason in Reason]
    row = set(SCHEMAS["screen"]["properties"]["results"]["items"]["properties"])
    flat = {"interval_low": "interval", "interval_high": "interval", "x_mm": "position", "y_mm": "position"}
    columns = {flat.get(name, name) for name in SCREEN_COLUMNS} - {"z_mm", "encoder", "findings_version", "notice"}
    assert columns == row - {"prompts"}


@pytest.mark.slow
def test_the_commands_documents_are_as_said(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these documents")
    index = str(tmp_path / "a.index")

    def document(name: str, *arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run([name, *arguments, "--json"]) == 0
        return valid(name, capsys.readouterr().out)

    reports = str(archive.parent / "reports.csv")
    built = document("build", str(archive), "--index", index, "--model", "random", "--reports", reports)
    assert built["studies"] == 4
    assert document("sync", str(archive), "--index", index, "--model", "random")["left"] == []
    assert document("screen", index, "--findings", "chest_ct")["results"]
    assert document("screen", str(archive), "--model", "random", "--finding", "pneumothroax")["skipped"]
    study = str(archive / "ct0")
    assert document("classify", study, "--model", "random", "--label", "a CT", "--label", "an MR")["results"]
    assert document("similar", study, "--index", index, "--contrast", "pulmonary_nodule")["contrast"]
    found = document("search", "small nodule", "--index", index)
    assert found["studies"]
    assert found["sentences"]
    assert {i["kind"] for i in document("explain", study, "--index", index, "--findings", "chest_ct")["evidence"]} >= {
        "score",
        "neighbour",
    }
