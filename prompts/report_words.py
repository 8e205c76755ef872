"""How reports speak of the catalogue's findings: `report_words.toml` as values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["DividedWords", "OrganWords", "ReportWords", "report_words"]


@dataclass(frozen=True, slots=True)
class OrganWords:
    """An organ whose being normal denies a finding, and whose being `changed` affirms it.

    All are regular expressions. `normal` adds to the words that call any organ normal; `normal_only` subjects say
    nothing of the finding when they are changed.
    """

    finding: str
    subjects: tuple[str, ...]
    normal_only: tuple[str, ...]
    changed: tuple[str, ...]
    normal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DividedWords:
    """The words between which Chinese reports divide a finding's name, as [divided] of `report_words.toml` explains."""

    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    adverbs: tuple[str, ...]
    degrees: tuple[str, ...]
    endings: tuple[str, ...]
    states: tuple[str, ...]
    within: tuple[str, ...]
    joins: tuple[str, ...]
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportWords:
    """Regular expressions by finding, as the head of `report_words.toml` explains them.

    `regions` gives a set its region, `region_words` tell a text's region, `elsewhere` another organ;
    `nothing` holds a finding's name and means none.
    """

    names: Mapping[str, tuple[str, ...]]
    short: Mapping[str, tuple[str, ...]]
    organs: tuple[OrganWords, ...]
    regions: Mapping[str, str]
    region_words: Mapping[str, tuple[str, ...]]
    elsewhere: tuple[str, ...]
    nothing: tuple[str, ...]
    divided: DividedWords


@cache
def report_words() -> ReportWords:
    """The words of `report_words.toml`."""
    data = tomllib.loads((files("radseek.prompts") / "report_words.toml").read_text(encoding="utf-8"))
    found: Mapping[str, Mapping[str, list[str]]] = data["findings"]
    return ReportWords(
        names={name: tuple(words.get("names", ())) for name, words in found.items()},
        short={name: tuple(words["short"]) for name, words in found.items() if "short" in words},
        organs=tuple(_organ(name, words) for name, words in found.items() if "organ" in words),
        regions={name: region for region, names in data["regions"].items() for name in names},
        region_words={region: tuple(words) for region, words in data["region_words"].items()},
        elsewhere=tuple(data["elsewhere"]["words"]),
        nothing=tuple(data["nothing"]["names"]),
        divided=DividedWords(**{key: tuple(words) for key, words in data["divided"].items()}),
    )


def _organ(finding: str, words: Mapping[str, list[str]]) -> OrganWords:
    more = {key: tuple(words.get(key, ())) for key in ("normal_only", "changed", "normal")}
    return OrganWords(finding, tuple(words["organ"]), **more)
