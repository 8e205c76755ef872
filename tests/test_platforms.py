"""The library on a system without POSIX: simulated on Linux, by hiding from our modules what Windows or macOS lacks.

It is no proof that radseek works there; it proves that our own code asks for nothing of it without an alternative.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build_support import write_ct, write_nifti

pytestmark = pytest.mark.slow  # every question is a new interpreter

# Python runs this file at the start of every interpreter, the workers' own too.
SIMULATION = """
import builtins, os, sys, types

OURS = {"radseek", "__main__"}
NO_MODULE = {"resource", "fcntl", "pwd", "grp", "termios"}
NO_NAME = {"O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "getuid", "geteuid", "fchmod", "statvfs", "fork"}
real_import, real_open = builtins.__import__, os.open
other_os = types.ModuleType("os")
other_os.__dict__.update({name: value for name, value in vars(os).items() if name not in NO_NAME})
other_os.open = lambda path, flags, mode=0o777: real_open(path, flags, 0o666)  # a mode says nothing on Windows


def other_import(name, globals=None, locals=None, fromlist=(), level=0):
    if str((globals or {}).get("__name__", "")).split(".")[0] in OURS:
        if name in NO_MODULE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "os":
            return other_os
    return real_import(name, globals, locals, fromlist, level)


builtins.__import__ = other_import
"""
LIBRARY = """
import os, sys
assert not hasattr(os, "O_DIRECTORY"), "the simulation does not run"
import radseek
from radseek import Engine, build_index, read_study
folder, index = sys.argv[1:]
assert read_study(os.path.join(folder, "ct0")).series[0].volume.unit == "HU"
assert build_index([folder], index, model="random", modality="CT").studies == 3
with Engine.open(index) as engine:
    assert engine.screen(findings=["pleural effusion"]).results
    assert engine.search("pleural effusion").studies
    assert engine.similar(engine.screen(findings=["mass"]).results[0].study).results
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive, and an environment in which a new interpreter finds no POSIX."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SIMULATION, "utf8")
    here = Path(__file__).resolve().parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(here)]))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("RADSEEK_KEY", raising=False)
    for seed in range(2):
        write_ct(tmp_path / "archive" / f"ct{seed}", seed)
    write_nifti(tmp_path / "archive" / "volume.nii.gz", 7)
    return tmp_path


def _run(*arguments: str | Path) -> str:
    command = [sys.executable, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_python_needs_no_posix(elsewhere: Path) -> None:
    _run("-c", LIBRARY, elsewhere / "archive", elsewhere / "a.index")


def test_the_command_needs_no_posix(elsewhere: Path) -> None:
    main = "from radseek.cli.main import main; main()"
    index, model = ["--index", elsewhere / "a.index"], ["--model", "random"]
    built = json.loads(_run("-c", main, "build", elsewhere / "archive", *index, "--modality", "CT", *model, "--json"))
    assert built["studies"] == 3
    assert not built["skipped"]
    asked = ["--finding", "pleural effusion", *model, "--json"]
    assert (
        len(json.loads(_run("-c", main, "screen", elsewhere / "archive", "--modality", "CT", *asked))["results"]) == 3
    )
    assert json.loads(_run("-c", main, "search", "effusion", *index, "--json"))["studies"]
