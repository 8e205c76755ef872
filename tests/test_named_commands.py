"""Every command and option that a message, docstring, template or document names is one of the real command line."""

from __future__ import annotations

import importlib.util
import io
import re
from contextlib import redirect_stdout

import pytest
import typer

from radseek.cli.late_commands import COMMANDS
from radseek.cli.main import app, run
from tests.named_support import (
    PACKAGES,
    ROOT,
    SCRIPTS,
    Named,
    custom_properties,
    named_commands,
    named_options,
    named_scripts,
    options_of_script,
    script_of,
)

# What follows our name in a sentence about it. In code a command alone may follow.
PROSE = {
    *("says", "scores", "needs", "reads", "was", "writes", "works", "is", "does", "raises", "that", "from"),
    *("index", "phantom", "demonstration", "offline", "slice", "heat", "cohort", "builtin"),
}
# Other people's programs that we name, each with those of its options that we name: checked by hand, once, here.
OTHERS = {
    "curl": {"--json"},
    "mypy": {"--strict"},
    "pip": {"--no-deps", "--require-hashes", "--upgrade"},
    "uv": {"--require-hashes", "--no-deps"},
    "pytest": {"--collect-only", "--reverse"},
    "chromium": {"--no-sandbox"},
}
# Before a command: what radseek itself takes.
OF_ALL = {"--help", *(opt for one in typer.main.get_command(app).params for opt in one.opts)}
# The programs that our scripts start with lists of arguments.
STARTED = {
    "requirements/renew.py": {
        *("--all-extras", "--constraints", "--extra", "--generate-hashes", "--no-annotate", "--no-deps", "--no-header"),
        *("--python-version", "--quiet", "--universal", "--upgrade"),
    },
    "docs/shards.md": {
        *("--array", "--cpus-per-task", "--dependency", "--job-name", "--mem", "--parsable", "--requeue", "--time"),
        "--wrap",
    },
    "benchmarks/reference_environment.py": {"--clear", "--python"},
    "benchmarks/server_fuzz.py": {
        *("--checks", "--continue-on-failure", "--exclude-method", "--exclude-path", "--generation-database"),
        *("--header", "--include-method", "--include-path", "--max-examples", "--no-color", "--phases", "--report"),
        *("--report-ndjson-path", "--request-timeout", "--suppress-health-check", "--warnings", "--workers"),
    },
}


@pytest.fixture(scope="module")
def helped() -> dict[str, set[str]]:
    """The options of every command, as `radseek COMMAND --help` lists them, and those of its own commands."""
    made = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    own = {name: getattr(made[name], "commands", ()) for name in COMMANDS}
    return {name: _options(name).union(*(_options(name, second) for second in own[name])) for name in COMMANDS}


def _options(*names: str) -> set[str]:
    with redirect_stdout(io.StringIO()) as said:
        assert run([*names, "--help"]) == 0
    listed = re.findall(r"^  (-\S+(?:[,/ ]+-\S+)*)", said.getvalue(), re.M)
    return {option for line in listed for option in re.findall(r"--?[a-z][a-z-]*", line)}


def unknown(named: Named, helped: dict[str, set[str]]) -> bool:
    """Say whether an option is none of its program's; one that stands alone may be any of our command's."""
    file = named.where.partition(":")[0]
    owner = named.owner.removeprefix("radseek ")
    if named.owner == "radseek":
        return named.what not in OF_ALL
    if owner in helped:
        return named.what not in helped[owner]
    if named.owner.startswith("radseek "):
        return True
    if owner in OTHERS:
        return named.what not in OTHERS[owner]
    if owner and script_of(owner).is_file():
        return named.what not in options_of_script(script_of(owner))
    known = OF_ALL.union(*helped.values(), options_of_script(ROOT / file), custom_properties(), STARTED.get(file, ()))
    if file.endswith(".md"):  # "the first column with `--each 10`": of a program that the page names
        scripts = [script_of(one.what) for one in named_scripts() if one.where.startswith(f"{file}:")]
        known |= set().union(*map(options_of_script, scripts))
    if file.split("/")[0] in SCRIPTS:  # benchmarks/__main__.py runs the others
        known |= OTHERS["chromium"].union(*map(options_of_script, (ROOT / "benchmarks").glob("*.py")))
    return named.what not in known


@pytest.mark.slow
def test_the_commands_named_exist(helped: dict[str, set[str]]) -> None:
    known = {*helped, "radseek", *OTHERS}
    named = list(named_commands())
    assert len(named) > 100
    assert not {(one.what, one.where) for one, code in named if one.what not in (known if code else known | PROSE)}


@pytest.mark.slow
def test_the_options_named_exist(helped: dict[str, set[str]]) -> None:
    named = list(named_options())
    assert len(named) > 300
    assert not {(one.owner, one.what, one.where) for one in named if unknown(one, helped)}


def test_the_scripts_and_make_targets_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf8")
    missing = set()
    for one in named_scripts():
        if one.owner == "make":
            exists = re.search(rf"^{one.what}:", makefile, re.M) is not None
        else:
            ours = one.what.replace("/", ".").split(".")[0] in (*PACKAGES, *SCRIPTS)
            exists = script_of(one.what).is_file() or (not ours and importlib.util.find_spec(one.what) is not None)
        if not exists:
            missing.add((one.owner, one.what, one.where))
    assert not missing
