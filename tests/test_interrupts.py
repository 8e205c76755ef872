"""Ctrl-C anywhere, and a full disk anywhere: one sentence, the exit code, JSON; nothing of Python's own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radseek.cli import index_commands
from radseek.cli import main as cli
from radseek.cli.main import run
from tests.build_support import write_ct
from tests.each_support import each

MAIN = "import sys; from radseek.cli.main import main; main()"
# A module of the command that takes its time while it is imported.
SLOW = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "{name}":
            print("importing", flush=True, file=sys.stderr)
            {act}
sys.meta_path.insert(0, Slow())
"""


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A shell starts what runs in its background with Ctrl-C ignored, in this process and its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(tmp_path: Path, act: str, *arguments: str, name: str = "typer") -> subprocess.Popen[str]:
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / "sitecustomize.py").write_text(SLOW.format(name=name, act=act), "utf8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), os.getcwd()])}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@each("name", ["typer", "numpy", "radseek.retrieval.index.local_store"])
def test_ctrl_c_while_importing(tmp_path: Path, name: str) -> None:
    process = started(tmp_path, "time.sleep(60)", "info", "x", "--json", name=name)
    assert process.stderr is not None
    assert process.stderr.readline() == "importing\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "radseek: interrupted while it was starting; nothing was done\n"
    assert json.loads(out)["error"] == {
        "kind": "Interrupted",
        "exit_code": 130,
        "message": "interrupted while it was starting; nothing was done",
    }


@pytest.mark.slow
@each(
    "act",
    [
        "raise OSError(28, 'No space left on device', '/tmp/x')",
        "raise FileNotFoundError(2, 'No usable temporary directory found')",
    ],
)
def test_a_full_disk_while_importing(tmp_path: Path, act: str) -> None:
    process = started(tmp_path, act, "info", "x", "--json")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 8
    assert "Traceback" not in said
    assert json.loads(out)["error"]["exit_code"] == 8
    assert "TMPDIR" in json.loads(out)["error"]["message"]


def raising(error: BaseException) -> Any:
    def command(*_: object, **__: object) -> None:
        raise error

    return command


@pytest.mark.slow
@each(
    ("patched", "command"),
    [
        ("radseek.cli.target_studies.embed_sources", ["screen", "{archive}", "--finding", "nodule"]),
        ("radseek.cli.ask_commands.Engine.open", ["search", "nodule", "--index", "{archive}"]),
        ("radseek.cli.index_commands.LocalStore.open", ["info", "{archive}"]),
        ("radseek.cli.index_commands.LocalStore.open", ["verify", "{archive}"]),
        ("radseek.cli.index_commands.forget_all", ["forget", "{archive}", "--study", "2.25.1"]),
        ("radseek.cli.build_engines.build_index", ["build", "{archive}", "--index", "{archive}/i"]),
    ],
)
def test_ctrl_c_in_a_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    patched: str,
    command: list[str],
) -> None:
    write_ct(tmp_path / "a", 1)
    monkeypatch.setattr(patched, raising(KeyboardInterrupt()))
    assert run([*(one.format(archive=tmp_path / "a") for one in command), "--json"]) == 130
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert (error["kind"], error["exit_code"]) == ("Interrupted", 130)
    assert "same command again" in error["message"]
    assert shown.err == f"radseek: {error['message']}\n"


def test_ctrl_c_that_a_library_swallows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def library(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            raise ImportError("a module that could not be loaded") from None

    monkeypatch.setattr(index_commands.LocalStore, "open", library)
    assert run(["info", "x", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "Interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@each(
    "error",
    [
        OSError(28, "No space left on device", "/somewhere/x"),
        OSError(122, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_in_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    for wrapped in (False, True):
        outer = RuntimeError("could not save")
        outer.__cause__ = error
        monkeypatch.setattr(index_commands.LocalStore, "open", raising(outer if wrapped else error))
        if wrapped and isinstance(error, sqlite3.Error):
            continue
        assert run(["info", "x", "--json"]) == 8
        shown = capsys.readouterr()
        assert json.loads(shown.out)["error"]["kind"] == "StorageError"
        assert "Traceback" not in shown.err


def test_what_is_no_fault_of_the_disk_is_still_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_commands.LocalStore, "open", raising(ZeroDivisionError("a fault of ours")))
    with pytest.raises(ZeroDivisionError):
        run(["info", "x"])


def test_the_front_door_is_late() -> None:
    code = (
        "import sys, radseek.cli.early_exit; sys.exit(any(m in sys.modules for m in ('numpy', 'typer', 'retrieval')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert cli.run
