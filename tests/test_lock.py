"""The versions in requirements/ are those that pyproject.toml admits, each has hashes, and no file names an index."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FILES = {path.stem: path.read_text("utf8") for path in (ROOT / "requirements").glob("*.txt")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def pins(name: str) -> Iterator[tuple[str, Version, str]]:
    """The packages of one file: name, version, and the lines under it."""
    for block in re.split(r"^(?=[a-z0-9])", FILES[name], flags=re.MULTILINE)[1:]:
        requirement = Requirement(block.splitlines()[0].rstrip(" \\"))
        yield canonicalize_name(requirement.name), Version(str(requirement.specifier).removeprefix("==")), block


def test_every_extra_has_a_file() -> None:
    assert set(FILES) == {"base", "uv", "model", *EXTRAS}


def test_the_lock_holds_what_pyproject_asks_for() -> None:
    wrong = []
    for name, asked in {"base": PROJECT["dependencies"], **EXTRAS}.items():
        found: dict[str, list[Version]] = {}
        for package, version, _block in [*pins("base"), *pins(name)]:
            found.setdefault(package, []).append(version)
        for requirement in map(Requirement, asked):
            versions = found.get(canonicalize_name(requirement.name), [])
            if not versions or not all(version in requirement.specifier for version in versions):
                wrong.append(f"{name}: {requirement} is locked as {versions}; run `make lock`")
    assert not wrong


def test_every_version_has_its_hashes() -> None:
    assert not [
        (name, package) for name in FILES for package, _version, block in pins(name) if "--hash=sha256:" not in block
    ]


def test_one_version_of_a_package_in_all_files() -> None:
    # Where Python or the platform decides, a file lists several: every file lists the same.
    found: dict[str, set[frozenset[Version]]] = {}
    for name in FILES:
        here: dict[str, set[Version]] = {}
        for package, version, _block in pins(name):
            here.setdefault(package, set()).add(version)
        for package, versions in here.items():
            found.setdefault(package, set()).add(frozenset(versions))
    assert {package: versions for package, versions in found.items() if len(versions) > 1} == {}


def test_no_file_names_a_package_index() -> None:
    texts = {**FILES, **{name: (ROOT / name).read_text("utf8") for name in ("Makefile", "pyproject.toml", ".ci/run")}}
    assert not [name for name, text in texts.items() if re.search(r"index-url|find-links|https?://", text)]
