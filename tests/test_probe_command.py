"""The commands probe, prompts test and prompts tune, on an index of made-up films: documents, tables, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from radseek.cli.late_commands import COMMANDS
from radseek.cli.main import app, run
from radseek.prompts import load_set
from radseek.retrieval.document import NOTICE
from radseek.retrieval.index.writer_lock import locked
from radseek.retrieval.scoring.probe_files import list_probes, read_probe
from tests.encoder_support import TinyEncoder
from tests.probe_support import planted, planted_index
from tests.test_json_schemas import valid


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (
        "radseek.index_builder.labels.labelled_index",
        "radseek.cli.prompts_commands",
        "radseek.retrieval.engine",
    ):
        monkeypatch.setattr(f"{module}.load_encoder", lambda *_, **__: TinyEncoder())
    for module in ("radseek.index_builder.labels.labelled_index", "radseek.retrieval.engine"):
        monkeypatch.setattr(f"{module}.check_here", lambda name: name)
    monkeypatch.setenv("RADSEEK_KEY", "a key for these probes")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    planted_index(folder / "a.index", 60)
    records, labels = planted(60)
    rows = (f"{one.key},pleural effusion,{label}" for one, label in zip(records, labels, strict=True))
    (folder / "labels.csv").write_text("\n".join(["study,finding,label", *rows]) + "\n")
    return folder / "a.index"


def document(capsys: pytest.CaptureFixture[str], schema: str, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*map(str, arguments), "--json"]) == code
    text = capsys.readouterr().out
    parsed: dict[str, Any] = valid(schema, text) if schema else json.loads(text)
    return parsed


@pytest.mark.slow
def test_probe_keeps_what_screen_asks(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("probe", index, "--labels", index.parent / "labels.csv", "--finding", "胸腔积液")
    first = document(capsys, "probe", *asked)
    assert first["probe"]["name"] == "probe:pleural_effusion"
    assert (first["probe"]["present"], first["probe"]["absent"], first["probe"]["patients"]) == (30, 30, 30)
    assert [one["labels"] for one in first["curve"]["points"]] == [5, 20, 30]
    assert first["labels"]["matched"] == 60
    written = (index / first["kept"]).read_bytes()
    assert document(capsys, "probe", *asked) == first
    assert (index / first["kept"]).read_bytes() == written
    assert read_probe(index, "pleural_effusion").hash == first["probe"]["hash"]
    rows = document(capsys, "screen", "screen", index, "--finding", "probe:pleural effusion")["results"]
    assert {(row["finding"], row["state"], row["reason"]) for row in rows} == {
        ("probe:pleural_effusion", "uncertain", "uncalibrated")
    }
    study = str(rows[0]["study"])
    evidence = document(capsys, "explain", "explain", study, "--index", index, "--finding", "probe:pleural effusion")
    (score,) = (one for one in evidence["evidence"] if one["kind"] == "score")
    assert (score["finding"], score["margin"]) == ("probe:pleural_effusion", rows[0]["margin"])
    assert run([str(one) for one in asked]) == 0
    told = capsys.readouterr()
    assert "none (words)" in told.out
    assert "Kept as probe:pleural_effusion" in told.err
    assert NOTICE in told.err


def test_a_probe_that_is_not_there_is_one_sentence(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = document(capsys, "", "screen", index, "--finding", "probe:pneumothorax", code=2)["error"]
    assert "radseek probe" in error["message"]
    error = document(capsys, "", "screen", index.parent, "--finding", "probe:pneumothorax", code=2)["error"]
    assert "--index" in error["message"]


@pytest.mark.slow
def test_prompts_test_says_what_words_are_worth(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "prompts_test", "prompts", "test", "chest_xray")
    assert [one["finding"] for one in found["tests"]] == [one.name for one in load_set("chest_xray").findings]
    found = document(
        capsys,
        "prompts_test",
        "prompts",
        "test",
        "--finding",
        "pleural effusion",
        "--finding",
        "a bicycle",
        "--index",
        index,
    )
    assert [[kind["studies"] for kind in one["kinds"]] for one in found["tests"]] == [[60], [60]]
    assert run(["prompts", "test", "--finding", "a bicycle", "--index", str(index)]) == 0
    told = capsys.readouterr()
    assert "bicycle" in told.out
    assert NOTICE in told.err


@pytest.mark.slow
def test_prompts_tune_writes_a_set_only_where_asked(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = index.parent / "labels.csv", index.parent / "mine.toml"
    asked = ("prompts", "tune", index, "--labels", labels, "--findings", "chest_xray")
    found = document(capsys, "prompts_tune", *asked)
    assert [one["finding"] for one in found["tunings"]] == ["pleural_effusion"]
    assert found["out"] is None
    assert not out.exists()
    assert document(capsys, "prompts_tune", *asked, "--out", out)["tunings"] == found["tunings"]
    written = {one.name: one for one in load_set(out).findings}
    assert list(written) == [one.name for one in load_set("chest_xray").findings]
    chosen = [tuple(pair) for pair in found["tunings"][0]["pairs"]]
    effusion = written["pleural_effusion"]
    assert list(zip(effusion.present, effusion.absent, strict=True)) == chosen
    assert run(["prompts", "tune", str(index), "--labels", str(labels), "--finding", "pleural effusion"]) == 0
    assert "each alone" in capsys.readouterr().out


def test_mistakes_are_one_sentence(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = index.parent / "labels.csv"
    assert "not both" in document(capsys, "", "prompts", "test", code=2)["error"]["message"]
    both = ("prompts", "test", "chest_ct", "--finding", "a bicycle")
    assert "not both" in document(capsys, "", *both, code=2)["error"]["message"]
    asked = ("prompts", "tune", index, "--labels", labels, "--finding", "pneumothorax")
    assert "pleural_effusion" in document(capsys, "", *asked, code=2)["error"]["message"]
    asked = ("prompts", "tune", index, "--labels", labels, "--findings", "chest_ct")
    assert "read in (soft)" in document(capsys, "", *asked, code=2)["error"]["message"]


@pytest.mark.slow
def test_tuning_goes_on_after_a_finding_that_cannot_be_tuned(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = index.parent / "two.csv"
    rows = (index.parent / "labels.csv").read_text().splitlines()
    few = [f"{row.split(',')[0]},pneumothorax,1" for row in rows[1:9]]  # of one answer: nothing can be chosen by them
    labels.write_text("\n".join([rows[0], *few, *rows[1:]]) + "\n")
    found = document(capsys, "prompts_tune", "prompts", "tune", index, "--labels", labels, "--findings", "chest_xray")
    assert [one["finding"] for one in found["tunings"]] == ["pleural_effusion"]
    assert run(["prompts", "tune", str(index), "--labels", str(labels), "--findings", "chest_xray"]) == 0
    assert "pneumothorax" in capsys.readouterr().err


@pytest.mark.slow
def test_one_finding_asked_twice_is_asked_once(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = ("--finding", "pleural effusion", "--finding", "胸腔积液")
    assert len(document(capsys, "prompts_test", "prompts", "test", *twice)["tests"]) == 1
    labels = index.parent / "labels.csv"
    assert len(document(capsys, "prompts_tune", "prompts", "tune", index, "--labels", labels, *twice)["tunings"]) == 1


@pytest.mark.slow
def test_a_probe_is_not_written_beside_another_writer(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("probe", index, "--labels", index.parent / "labels.csv", "--finding", "pleural effusion")
    before = list_probes(index)
    with locked(index):
        error = document(capsys, "", *asked, code=7)["error"]
    assert "Another process is writing" in error["message"]
    assert list_probes(index) == before


@pytest.mark.slow
def test_a_filter_that_no_row_passes_says_so(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = index.parent / "split.csv"
    rows = (index.parent / "labels.csv").read_text().splitlines()
    labels.write_text("\n".join([f"{rows[0]},split", *(f"{row},train" for row in rows[1:])]) + "\n")
    asked = ("evaluate", index, "--labels", labels, "--finding", "pleural effusion", "--where", "split=val")
    message = document(capsys, "", *asked, code=2)["error"]["message"]
    assert "split" in message
    assert "train" in message


def test_two_words_have_help_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "tune", "--help"]) == 0
    assert "--labels" in capsys.readouterr().out
    assert run(["prompts", "--help"]) == 0
    told = capsys.readouterr().out
    assert "test" in told
    assert "Example: radseek prompts" in told
    group = typer.main.get_command(app).commands["prompts"]  # type: ignore[attr-defined]
    assert set(group.commands) == {"test", "tune"}
    assert group.get_short_help_str(1000) == COMMANDS["prompts"][1]
