"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import io
import re
from pathlib import Path

import pytest

from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prompts", "retrieval", "index_builder", "demo", "radseek")
PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)


def modules() -> dict[str, int]:
    """Every module that has an example, and how many examples it has."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    counts = {path.relative_to(ROOT): len(PROMPT.findall(path.read_text("utf8"))) for path in files}
    names = {path: ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in counts}
    return {names[path]: count for path, count in counts.items() if count}


def test_there_are_examples() -> None:
    assert len(modules()) > 30


@pytest.mark.slow
@each(("name", "count"), modules().items())
def test_examples_do_what_they_say(name: str, count: int) -> None:
    told = io.StringIO()
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name):
        runner.run(test, out=told.write)
    assert runner.failures == 0, told.getvalue()
    assert runner.tries == count, "an example stands where none is looked for"
