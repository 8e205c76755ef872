"""`each`: every case is run, each failure is shown by name with its traceback, and what skips is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
LOOPED = """
import pytest
from tests.each_support import each

RUN = []

@each("word", ["a", "b", "c", "d"])
def test_letters(word):
    RUN.append(word)
    assert word not in ("b", "d"), f"it is {word}"

def test_all_were_run():
    assert RUN == ["a", "b", "c", "d"]

@each("number", [1, 2])
def test_skips(number):
    if number == 2:
        pytest.skip("no two here")

@each("number", [1, 2])
def test_fails_though_another_skips(number):
    if number == 2:
        pytest.skip("no two here")
    raise KeyError("one")
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_every_failure_is_shown_and_what_skips_is_said(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_looped.py").write_text(LOOPED)
    options = ["-q", "-rA", "-n", workers, "-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    for name, reason in (("[1: b] test_letters", "it is b"), ("[3: d] test_letters", "it is d")):
        where = name.split("] ")
        assert f"{where[0].strip()}]" in done.stdout, done.stdout
        assert f"AssertionError: {reason}" in done.stdout
    assert "[0: 1]" in done.stdout, "a failure beside a case that skips is shown"
    assert "KeyError: 'one'" in done.stdout
    assert "1 of 2 cases; 1: 2: no two here" in done.stdout
    assert "PASSED" in done.stdout
    assert "test_all_were_run" in done.stdout


SEEN: list[Path] = []


@each("letter", "ab")
@each("number", [1, 2], ids=str)
def test_cases_make_their_product_and_have_their_own_folder(letter: str, number: int, tmp_path: Path) -> None:
    SEEN.append(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / f"{letter}{number}").touch()
    assert len(set(SEEN)) == len(SEEN) <= 4


def test_cases_with_marks_are_refused() -> None:
    with pytest.raises(ValueError, match="marks of its own"):
        each("x", [pytest.param(1, marks=pytest.mark.skip)])
