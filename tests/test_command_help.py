"""What the command says of itself: version, examples that it takes, completion, quiet; files of scores that resume."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

import radseek
from radseek.cli import score_files
from radseek.cli.console import be_quiet
from radseek.cli.late_commands import COMMANDS, EXAMPLES
from radseek.cli.main import app, run
from radseek.cli.score_files import writing_scores
from radseek.retrieval import errors
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import BusyError, IndexBusyError, StorageError, UnreachableError, UsageError
from radseek.retrieval.scoring.score_results import SCREEN_COLUMNS
from tests.build_support import write_ct
from tests.each_support import each
from tests.test_result_table import score


@pytest.fixture(autouse=True)
def _not_quiet_after() -> object:
    yield
    be_quiet(False)
    logging.getLogger("radseek").setLevel(logging.NOTSET)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"radseek {radseek.__version__}\n"


def test_every_command_has_an_example() -> None:
    assert {name.split()[0] for name in EXAMPLES} == set(COMMANDS)


@each("name", sorted(EXAMPLES))
def test_the_command_takes_its_own_example(name: str) -> None:
    called, words = name.split(), shlex.split(EXAMPLES[name])
    assert words[: 1 + len(called)] == ["radseek", *called]
    command = typer.main.get_command(app)
    for one in called:
        command = command.commands[one]  # type: ignore[attr-defined]
    assert command.epilog == f"Example: {EXAMPLES[name]}"
    command.make_context(name, words[1 + len(called) :])  # raises for an option or argument that it does not take


def test_the_module_is_the_command() -> None:
    told = subprocess.run([sys.executable, "-m", "radseek", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"radseek {radseek.__version__}\n"


def test_help_shows_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "--help"]) == 0
    assert "Example: radseek info archive.index --json" in capsys.readouterr().out


def test_the_shell_completes_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_RADSEEK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "radseek se")
    monkeypatch.setenv("COMP_CWORD", "1")
    run([])
    assert set(capsys.readouterr().out.split()) == {"search", "serve"}


def test_busy_unreachable_and_disk_have_their_own_codes() -> None:
    assert {one.exit_code for one in (BusyError, IndexBusyError, UnreachableError)} == {7}
    assert StorageError.exit_code == 8
    told = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    assert told == {2, 3, 4, 5, 6, 7, 8, 130}


def test_verbose_logs_and_quiet_leaves_out_progress(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["-v", "info", str(tmp_path / "none.index")]) == 2
    assert logging.getLogger("radseek").level == logging.INFO
    assert run(["-q", "info", str(tmp_path / "none.index")]) == 2
    assert "none.index" in capsys.readouterr().err


ROWS = [[score(name, "nodule"), score(name, "气胸", seen=False)] for name in "abcd"]


def write(path: Path, rows: list[list[object]], *, done: set[str] | None, fail: bool = False) -> None:
    with writing_scores(None, path, "random", "words@+1", done) as put:
        for one in rows:
            put(one)  # type: ignore[arg-type]
        if fail:
            raise KeyboardInterrupt


def test_lines_hold_the_rows_of_the_document(tmp_path: Path) -> None:
    write(tmp_path / "s.jsonl", ROWS, done=None)
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text("utf8").splitlines()]
    about = {"encoder": "random", "findings_version": "words@+1"}
    assert lines == [{**row.to_dict(), **about} for rows in ROWS for row in rows]


@each("name", ["s.jsonl", "s.parquet"])
def test_an_interrupted_file_is_gone_on_with(name: str, tmp_path: Path) -> None:
    path, whole = tmp_path / name, tmp_path / f"whole-{name}"
    write(whole, ROWS, done=None)
    with pytest.raises(KeyboardInterrupt):
        write(path, ROWS[:3], done=set(), fail=True)
    kept = path if name.endswith("jsonl") else tmp_path / f".{name}.jsonl"
    kept.write_bytes(kept.read_bytes()[:-20])  # its last line is torn
    done: set[str] = set()
    with writing_scores(None, path, "random", "words@+1", done) as put:
        assert done == {"a", "b"}  # the third may lack lines: it is asked again
        for one in ROWS[2:]:
            put(one)
    if name.endswith("jsonl"):
        assert path.read_bytes() == whole.read_bytes()
    else:
        assert pq.read_table(path).equals(pq.read_table(whole))
        assert pq.read_table(path).column_names == list(SCREEN_COLUMNS)
        assert not kept.exists()


def test_another_encoder_or_file_is_not_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path / "s.jsonl", ROWS, done=None)
    with pytest.raises(UsageError, match="builtin"), writing_scores(None, tmp_path / "s.jsonl", "builtin", "w", set()):
        pass
    (tmp_path / "t.jsonl").write_text("not scores\n")
    with pytest.raises(UsageError, match="something else"), writing_scores(None, tmp_path / "t.jsonl", "b", "w", set()):
        pass
    with pytest.raises(UsageError, match="--resume"), writing_scores("csv", tmp_path / "s.csv", "b", "w", set()):
        pass
    assert list(SCREEN_COLUMNS) == score_files.COLUMNS


@pytest.mark.slow
def test_heatmap_writes_a_picture_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ct(tmp_path / "ct", 1)
    out = tmp_path / "map.png"
    asked = ["heatmap", str(tmp_path / "ct"), "--finding", "nodule", "--out", str(out), "--model", "random"]
    assert run([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["drawn"] is out.is_file()
    assert said["drawn"] or said["check"]["reason"]
    assert run(asked) == 0
    assert NOTICE in capsys.readouterr().err
    assert run([*asked[:-4], "--out", str(tmp_path / "map.tiff"), "--model", "random"]) == 2


@pytest.mark.slow
def test_screen_without_findings_asks_what_fits_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these scores")
    for seed in range(3):
        write_ct(tmp_path / "scans" / f"ct{seed}", seed)
    out = tmp_path / "scores.jsonl"
    asked = ["screen", str(tmp_path / "scans"), "--model", "random", "--format", "jsonl", "--out", str(out)]
    assert run([*asked, "--modality", "CT"]) in (0, 2)
    first = out.read_bytes()
    if first:
        out.write_bytes(first[: len(first) // 2])
        assert run([*asked, "--modality", "CT", "--resume"]) == 0
        assert sorted(out.read_bytes().splitlines()) == sorted(first.splitlines())
