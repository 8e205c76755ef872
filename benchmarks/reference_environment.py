"""An environment of its own for a reference package, made once under `.parity/`, so that none enters radseek's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["reference_python"]

_HOME = Path(__file__).resolve().parents[1] / ".parity"


def reference_python(name: str, packages: Sequence[str]) -> Path:
    """Return the interpreter of the environment `name` with these packages, made if it is not there."""
    folder = _HOME / name
    python, wanted = folder / "bin" / "python", "\n".join(packages)
    done = folder / "packages.txt"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    done.write_text(wanted, encoding="utf-8")
    return python
