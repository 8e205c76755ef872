"""The command: exit codes, one JSON document on stdout, sentences that say what to do."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from radseek.cli.console import MEANINGLESS
from radseek.cli.late_commands import COMMANDS
from radseek.cli.main import run
from radseek.retrieval.document import NOTICE
from tests.build_support import write_ct, write_nifti, write_picture
from tests.each_support import each

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for seed in range(4):
        write_ct(folder / f"ct{seed}", seed)
    write_nifti(folder / "volume.nii.gz", 7)
    write_picture(folder / "film.png", 8)
    (folder / "notes.txt").write_text("not an image")
    (folder.parent / "reports.csv").write_text("study,report\nACC1,Small nodule. No effusion.\nACC2,Clear lungs.\n")
    return folder


@pytest.fixture(scope="module")
def index(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexes") / "a.index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", "one key for all of these tests")
        reports = ["--reports", str(archive.parent / "reports.csv")]
        assert run(["build", str(archive), "--index", str(path), "--model", "random", *reports]) == 0
    return path


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "one key for all of these tests")


def document(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*map(str, arguments), "--json"]) == code
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)  # one document and nothing else
    return parsed


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"build", "screen", "classify", "similar", "search", "info", "verify", "forget", "fetch"} <= set(COMMANDS)
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert len(capsys.readouterr().out) > 100
    assert run(["--help"]) == 0
    assert NOTICE.split(".")[0] in re.sub(r"\s+", " ", capsys.readouterr().out)


@pytest.mark.slow
def test_build_says_what_it_did(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = document(capsys, "build", archive, "--index", tmp_path / "b.index", "--model", "random")
    fields = {
        "index",
        "generation",
        "encoder",
        "files",
        "studies",
        "series",
        "slices",
        "sentences",
        "seconds",
        "skipped",
    }
    assert fields <= made.keys()
    assert made["studies"] == 6
    assert [(s["path"], s["reason_code"]) for s in made["skipped"]] == [("notes.txt", "not_an_image")]
    assert made["encoder"]["meaningless"] is True


@pytest.mark.slow
def test_screen_an_index_and_a_path_agree(archive: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = document(capsys, "screen", index, "--findings", "chest_ct")
    fresh = document(capsys, "screen", archive, "--findings", "chest_ct", "--index", index)
    assert stored["findings_version"] == fresh["findings_version"]
    assert [s["path"] for s in fresh["skipped"]] == ["notes.txt"]
    rows = {(row["study"], row["finding"]): row for row in stored["results"]}
    assert len(rows) == len(fresh["results"]) > 6 * 18
    for row in fresh["results"]:
        assert {**row, "path": None} == {**rows[row["study"], row["finding"]], "path": None}


def test_screen_has_the_promised_fields(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, "screen", index, "--finding", "pleural effusion", "--finding", "胸腔积液")
    assert {"encoder", "findings_version", "skipped", "results"} <= answer.keys()
    row = answer["results"][0]
    promised = "study path series finding prompts score margin interval percentile probability state reason view"
    assert {*promised.split(), "key_slice", "position"} <= row.keys()
    assert {r["finding"] for r in answer["results"]} == {"pleural_effusion"}
    assert answer["notice"] == NOTICE


@pytest.mark.slow
def test_classify_shares_one(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["--label", "a chest CT", "--label", "a brain MRI", "--label", "a photograph"]
    answer = document(capsys, "classify", archive / "ct0", "--model", "random", *labels)
    (row,) = answer["results"]
    assert row["calibrated"] is False
    assert sum(part["probability"] for part in row["labels"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_similar_finds_earlier_cases(archive: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, "similar", archive / "ct0", "--index", index, "-k", "3")
    assert [row["rank"] for row in answer["results"]] == [1, 2, 3]
    assert "ct0" not in [row["path"] for row in answer["results"]]
    assert {"query_slice", "case_slice", "similarity"} <= answer["results"][0]["matches"][0].keys()
    narrow = document(capsys, "similar", archive / "ct0", "--index", index, "--where", "modality=CT")
    assert {row["path"] for row in narrow["results"]} == {"ct1", "ct2", "ct3"}


def test_search_finds_sentences(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, "search", "small nodule", "--index", index, "--in", "reports")
    assert answer["studies"] == []
    assert answer["sentences"][0]["text"] == "Small nodule."
    assert answer["sentences"][0]["path"] == "ct1"


def test_info_and_verify(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "info", index)["studies"] == 6
    assert document(capsys, "verify", index)["intact"] is True


@pytest.mark.slow
def test_a_damaged_index_is_exit_code_5(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "c.index"
    run(["build", str(archive), "--index", str(index), "--model", "random"])
    victim = next((index / "segments").rglob("slices.f16.npy"))
    victim.chmod(0o600)
    data = bytearray(victim.read_bytes())
    data[-7] ^= 0x40
    victim.write_bytes(data)
    assert document(capsys, "verify", index, code=5)["error"]["kind"] == "IndexDamagedError"


@pytest.mark.slow
def test_forget_a_patient(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "d.index"
    run(["build", str(archive), "--index", str(index), "--model", "random"])
    answer = document(capsys, "forget", index, "--patient", "PAT2")
    assert len(answer["forgotten"]) == 1
    assert document(capsys, "info", index)["studies"] == 5
    assert document(capsys, "verify", index)["intact"] is True


def test_another_model_is_exit_code_3(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import radseek.retrieval.engine
    from tests.encoder_support import TinyEncoder

    monkeypatch.setattr(radseek.retrieval.engine, "load_encoder", lambda *_, **__: TinyEncoder(seed=3))
    assert run(["search", "nodule", "--index", str(index)]) == 3


@pytest.mark.slow
@each(
    ("arguments", "code", "says"),
    [
        (["screen", "/no/such/path", "--findings", "chest_ct"], 2, "does not exist"),
        (["screen", "{archive}", "--findings", "chest_tc", "--model", "random"], 2, "chest_ct"),
        (["screen", "{archive}", "--findings", "chest_ct", "--model", "biomedclop"], 2, "biomedclip"),
        (["screen", "{empty}", "--findings", "chest_ct", "--model", "random"], 2, "holds no study"),
        (["screen", "{bad}", "--findings", "chest_ct", "--model", "random"], 4, "not_an_image|none of 1"),
        (["build", "{bad}", "--index", "{out}", "--model", "random"], 4, "none of 1"),
        (["build", "/no/such/path", "--index", "{out}", "--model", "random"], 2, "does not exist"),
        (["search", "x", "--index", "/no/such.index"], 2, "no/such.index"),
        (["similar", "{archive}", "--index", "{index}"], 2, "several studies"),
        (["similar", "{archive}/ct0", "--index", "{index}", "--where", "modalty=CT"], 2, "modality"),
        (["classify", "{archive}/ct0", "--label", "one", "--model", "random"], 2, "two different"),
        (["screen", "{archive}", "--finding", "x", "--format", "parquet", "--model", "random"], 2, "--out"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_get_one_sentence_and_a_code(
    arguments: list[str],
    code: int,
    says: str,
    archive: Path,
    index: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.txt").write_text("x")
    places = {"archive": archive, "index": index, "out": tmp_path / "o.index", "empty": tmp_path / "empty"}
    filled = [a.format(**places, bad=tmp_path / "bad") for a in arguments]
    assert run(filled) == code
    captured = capsys.readouterr()
    assert re.search(says, captured.err)
    assert "Traceback" not in captured.err
    assert captured.out == "" or "build" in arguments


def test_refused_inputs_are_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt").write_text("x")
    answer = document(capsys, "screen", tmp_path, "--finding", "nodule", "--model", "random", code=4)
    assert answer["results"] == []
    assert [(s["path"], s["reason_code"]) for s in answer["skipped"]] == [("x.txt", "not_an_image")]


@pytest.mark.slow
def test_scores_as_files(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, parquet = tmp_path / "scores.csv", tmp_path / "scores.parquet"
    assert run(["screen", str(index), "--findings", "chest_ct", "--format", "csv", "--out", str(table)]) == 0
    assert run(["screen", str(index), "--findings", "chest_ct", "--out", str(parquet)]) == 0
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == pq.read_table(parquet).num_rows > 100
    assert {row["notice"] for row in rows} == {NOTICE}
    assert "research use only" in capsys.readouterr().err.lower()


def test_people_are_told_what_it_is(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["search", "nodule"], ["screen", str(index), "--finding", "nodule"]):
        arguments = command if command[0] == "screen" else [*command, "--index", str(index)]
        assert run(arguments) == 0
        shown = capsys.readouterr().err
        assert NOTICE in shown
        assert MEANINGLESS in shown


def test_ctrl_c_in_a_build_is_one_sentence(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radseek.cli.build_engines.build_index", interrupted)
    error = document(capsys, "build", archive, "--index", tmp_path / "i.index", code=130)["error"]
    assert error["exit_code"] == 130
    assert "same command again" in error["message"]


@pytest.mark.slow
def test_the_columns_of_a_table_can_be_named(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "reports.csv"
    table.write_text("Fall;Brief\nACC1;Kleiner Rundherd.\n;niemand\n", encoding="cp1252")
    command = ["build", archive / "ct1", "--index", tmp_path / "b.index", "--model", "random", "--reports", table]
    assert "'Fall', 'Brief'" in document(capsys, *command, code=2)["error"]["message"]
    made = document(capsys, *command, "--study-column", "Fall", "--report-column", "Brief")
    assert (made["sentences"], made["reports_unmatched"]) == (1, 0)
    assert [(line["path"], line["reason_code"]) for line in made["skipped"]] == [("reports.csv:3", "bad_header")]
    assert made["notes"] == ["reports.csv: its columns are separated by semicolons"]
    assert run(["build", str(archive / "ct1"), "--index", str(tmp_path / "b.index"), "--study-column", "Fall"]) == 2
