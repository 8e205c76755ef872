"""Which warnings end a test: ours and those that our calls cause; never what a library says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = """
import warnings

def old_inside():
    warnings.warn("a library's own old call", DeprecationWarning)

def old_call():
    warnings.warn("the caller's old call", FutureWarning, stacklevel=2)
"""
TESTS = """
import threading, warnings
import library

OURS = '''
import warnings, library
def calls_what_is_old(): library.old_call()
def calls_what_calls_what_is_old(): library.old_inside()
def warns(): warnings.warn("ours")
'''

def module(name):
    space = {"__name__": name}
    exec(OURS, space)
    return space

def test_the_librarys_own():
    library.old_inside()
    for name in ("prompts", "radseek.retrieval.engine"):
        module(name)["calls_what_calls_what_is_old"]()

def test_a_library_of_a_like_name():
    for name in ("testsuite.x", "pydicom.tests.x", "demographics", "library.retrieval"):
        module(name)["warns"]()

def test_our_call():
    module("radseek.retrieval.explain.narrators.some")["calls_what_is_old"]()

def test_our_own():
    module("radseek")["warns"]()

def test_a_thread_that_dies():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
"""


@pytest.mark.slow
def test_only_ours_and_what_our_calls_cause_are_errors(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text(LIBRARY)
    (tmp_path / "test_some.py").write_text(TESTS)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *settings, "-n", "0", "-rA", str(tmp_path / "test_some.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    said = done.stdout
    for name in ("the_librarys_own", "a_library_of_a_like_name"):
        assert f"PASSED test_some.py::test_{name}" in said, said
    for name in ("our_call", "our_own", "a_thread_that_dies"):
        assert f"FAILED test_some.py::test_{name}" in said, said
    assert "DeprecationWarning: a library's own old call" in said, "it is shown all the same"
    assert "FutureWarning: the caller's old call" in said
