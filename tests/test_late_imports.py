"""What is not imported until it is needed: by the package, by the list of commands, by an encoder that answers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from radseek.cli.late_commands import COMMANDS
from radseek.cli.main import app
from tests.each_support import each


def imported(code: str, watched: set[str]) -> set[str]:
    """Those of `watched` that a fresh interpreter has imported after `code`."""
    told = f"import sys\n{code}\nprint('imported:', *(set({sorted(watched)!r}) & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split()[1:])


@each("code", ["import radseek", "from radseek.cli.main import run; run(['--help'])"])
def test_the_package_and_the_list_of_commands_are_light(code: str) -> None:
    assert not imported(code, {"torch", "faiss", "numpy", "scipy", "pydicom", "pyarrow"})


@pytest.mark.slow
def test_an_encoder_answers_without_the_compiler_which_is_there_when_asked_for() -> None:
    code = """
from radseek.retrieval.engine import Engine
from radseek.retrieval.encoders.load_encoder import load_encoder
load_encoder("random").encode_texts(["a cyst"])
load_encoder().encode_texts(["a cyst"])
assert not {"torch._dynamo", "torch._inductor", "pandas", "sklearn", "scipy.stats"} & sys.modules.keys()

import torch
assert torch.compiler.disable.__module__ == "torch.compiler"
from torchvision.ops.roi_align import is_compile_supported
said = is_compile_supported("cpu")
import torch._dynamo.utils
assert said == torch._dynamo.utils.is_compile_supported("cpu")
assert torch._dynamo.config.__name__ == "torch._dynamo.config"
"""
    assert imported(code, {"torch._dynamo"})


def test_the_list_of_commands_says_what_each_says_first() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {name: commands[name].get_short_help_str(1000) for name in COMMANDS} == {
        name: said for name, (_, said) in COMMANDS.items()
    }
