"""The files that a repository is expected to have say what is so: versions, commands, and where nothing was run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["version"]
MAKEFILE = (ROOT / "Makefile").read_text("utf8")


def test_the_citation_names_this_version_and_licence() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert cited["cff-version"] == "1.2.0"
    assert str(cited["version"]) == VERSION == "0.2.0"
    assert cited["license"] == "Apache-2.0"
    assert {"title", "authors", "message"} <= set(cited)
    assert f"version {VERSION}" in (ROOT / "docs/manual/cite.md").read_text("utf8")


def test_the_workflow_runs_targets_that_exist_and_says_that_it_was_not_run() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text("utf8")
    assert text.startswith("# Not run where this was written")
    jobs = yaml.safe_load(text)["jobs"]
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = {word for run in steps if run.startswith("make ") for word in run.split()[1:] if "=" not in word}
    assert targets == {"lint", "types", "unit", "docs"}
    assert all(re.search(rf"^{target}:", MAKEFILE, re.M) for target in targets)


def test_templates_and_hooks_are_whole() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))["repos"]
    assert all(hook["entry"].startswith(".venv/bin/") for repo in hooks for hook in repo["hooks"])
    for name in ("bug.yml", "idea.yml"):
        form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / name).read_text("utf8"))
        assert form["name"]
        assert form["body"]
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md", ".github/PULL_REQUEST_TEMPLATE.md"):
        assert "patient" in (ROOT / name).read_text("utf8"), f"{name} must say what never to post"


def test_the_notebook_was_run_and_shows_pictures() -> None:
    notebook = json.loads((ROOT / "examples/quickstart.ipynb").read_text("utf8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    kinds = {kind for cell in cells for output in cell["outputs"] for kind in output.get("data", {})}
    assert {"image/png", "text/html"} <= kinds
    assert not [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"]
