"""What the README says is so: its Python runs, its commands parse, its tables are whole, its links lead somewhere."""

from __future__ import annotations

import csv
import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from radseek.cli.main import app
from radseek.demo.phantoms.write.cohort import write_cohort
from radseek.retrieval.encoders.load_encoder import BUILTIN
from radseek.retrieval.errors import Reason
from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf8")
CODES = (ROOT / "docs/manual/codes.md").read_text("utf8")
NOTICE = "Research use only. Not a medical device."


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def commands() -> list[list[str]]:
    lines = (line for block in blocks("sh") for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line.startswith("radseek ")]


def group() -> Any:
    return typer.main.get_command(app)


def table(first: str) -> list[str]:
    """The first column, without its backquotes, of the table of codes whose first heading is `first`."""
    rows = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", CODES, re.M)
    assert rows is not None
    return [row.split("|")[1].strip().strip("`") for row in rows[1].splitlines()]


@pytest.mark.cohort
@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs_on_a_small_archive(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cohort(tmp_path / "cohort", "chest_xray", 2, 5)
    (tmp_path / "cohort" / "studies").rename(tmp_path / "archive")
    (tmp_path / "cohort" / "reports.csv").rename(tmp_path / "reports.csv")
    (tmp_path / "archive" / "broken.dcm").write_bytes(b"not an image")
    if not (BUILTIN / "open_clip_config.json").is_file():  # the built-in weights are not in every checkout
        code = code.replace('"archive.index", reports', '"archive.index", model="random", reports')
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # the README's own text
    printed = capsys.readouterr().out
    assert printed.startswith("2 studies; [('broken.dcm', ")
    with (tmp_path / "reports.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert re.search(r"^1 chest_xray_000\d\S* \S+ \S", printed, re.M)  # a similar case, its score, its report


def test_there_are_ten_lines_of_python() -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 11


@each("words", commands(), ids=" ".join)
def test_commands_parse_as_the_command_line_does(words: list[str]) -> None:
    command = group().commands[words[1]]
    command.make_context(words[1], words[2:])  # raises for an option or argument that it does not take


def every_command() -> dict[str, Any]:
    """Return each command by its words; of a group, those that it holds."""
    found: dict[str, Any] = {}
    for name, command in group().commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name} {second}": one for second, one in inner.items()}
    return found


def test_it_is_short_and_every_command_is_in_the_manual() -> None:
    assert README.count("\n") <= 150
    manual = (ROOT / "docs/manual/commands.md").read_text("utf8")
    assert set(re.findall(r"^## radseek (\S+)$", manual, re.M)) == set(group().commands)


def test_the_json_option_is_everywhere_as_said() -> None:
    for name, command in every_command().items():
        listens = name in ("serve", "demo", "watch")  # they answer over HTTP, or go on until they are ended
        assert any("--json" in parameter.opts for parameter in command.params) is not listens, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf8")
    named = re.findall(r"^make (\w+)", "".join(blocks("sh")), re.M)
    assert named == ["demo", "test"]
    assert all(re.search(rf"^{name}:", makefile, re.M) for name in named)


def test_reason_codes_are_all_explained() -> None:
    assert table("reason code") == [reason.value for reason in Reason]


def test_exit_codes_are_those_of_the_command() -> None:
    import radseek.cli.main

    told = {int(code) for code in re.findall(r"\b(\d+) [a-z]", radseek.cli.main.__doc__ or "")}
    assert {int(code) for code in table("code")} == told


def test_links_lead_somewhere_and_the_picture_is_small() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert not [t for t in targets if not (ROOT / t).is_file()]
    assert (ROOT / "docs/img/report.png").stat().st_size < 300_000


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md", "docs/results.md"])
def test_the_notice_is_in_what_people_read(name: str) -> None:
    assert NOTICE in (ROOT / name).read_text("utf8")


def tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Each table of a page: the paragraph before it, and its rows of cells, header first."""
    blocks = [block for block in text.split("\n\n") if block.strip()]
    return [
        (before, [[cell.strip() for cell in row.split("|")[1:-1]] for row in block.splitlines()])
        for before, block in itertools.pairwise(blocks)
        if block.startswith("|")
    ]


def test_results_have_a_command_for_every_figure() -> None:
    found = tables((ROOT / "docs/results.md").read_text("utf8"))
    assert len(found) >= 3
    for before, (header, _, *rows) in found:
        assert rows
        if header == ["what", "bar", "measured", "command"]:
            assert all(len(row) == 4 and all(row) for row in rows)
        else:
            assert "`python " in before, f"say above the table {header} which command printed it"
