"""Where finding sets are found: the shipped ones by name, a user's own TOML file by path."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from radseek.prompts.finding import Finding, FindingSet
from radseek.prompts.normalise import normalise
from radseek.prompts.set_file import parse_set
from radseek.prompts.word_errors import PromptError, UnknownNameError

__all__ = ["all_findings", "list_sets", "load_set", "terms"]

_SHIPPED = files("radseek.prompts") / "sets"
_SUFFIX = ".toml"


@cache
def list_sets() -> tuple[str, ...]:
    """Names of the shipped sets, sorted."""
    names = (entry.name for entry in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def load_set(name_or_path: str | os.PathLike[str]) -> FindingSet:
    """Return the set that `name_or_path` means: a shipped set by its name, or one in a TOML file by its path.

    Raises `UnknownNameError` for neither, naming the nearest sets; `PromptError` for a malformed file.
    """
    name = os.fspath(name_or_path)
    if name in list_sets():
        return _shipped(name)
    path = Path(name)
    if path.is_file():
        return _parse(path.read_bytes(), name)
    if path.suffix == _SUFFIX or os.sep in name:
        raise UnknownNameError(f"no finding set file {name!r}; check the path, or use {', '.join(list_sets())}")
    close = difflib.get_close_matches(normalise(name).replace(" ", "_"), list_sets(), n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(list_sets())}"
    raise UnknownNameError(f"no finding set {name!r}; {hint} A path to your own .toml file works too")


@cache
def _shipped(name: str) -> FindingSet:
    return _parse((_SHIPPED / f"{name}{_SUFFIX}").read_bytes(), f"{name}{_SUFFIX}")


def _parse(content: bytes, source: str) -> FindingSet:
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PromptError(f"{source}: not TOML in UTF-8 ({error}); correct the file") from error
    return parse_set(data, source, _shared_set)


def _shared_set(name: str) -> FindingSet:
    """A set whose words another may share: shipped ones only, so that a file never depends on another's place."""
    if name not in list_sets():
        raise PromptError(f"same_as = {name!r} is no shipped set; use one of {', '.join(list_sets())}")
    return _shipped(name)


@cache
def all_findings() -> dict[str, Finding]:
    """Every shipped finding by slug; one that is in several sets is read in the views of them all."""
    merged: dict[str, Finding] = {}
    for name in list_sets():
        for finding in load_set(name).findings:
            known = merged.get(finding.name)
            merged[finding.name] = finding if known is None else _with_views(known, finding.views)
    return merged


def _with_views(finding: Finding, more: tuple[str, ...]) -> Finding:
    return replace(finding, views=tuple(dict.fromkeys(finding.views + more)))


@cache
def terms() -> dict[str, Finding]:
    """Every normalised slug, name and synonym of the shipped sets, and the finding it means."""
    return {normalise(term): finding for finding in all_findings().values() for term in (finding.name, *finding.terms)}
