"""The cues that deny, doubt or keep a finding: `polarity_cues.toml` as compiled patterns."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["ALTERNATIVE_AFTER", "ALTERNATIVE_BEFORE", "DEGREES", "DIFFERENTIAL", "SIZED", "Cues", "cues"]

_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"(?<!\?)<([a-z_]+)>")
_SPACE = re.compile(r"(?P<behind>\(\?<[!=][^)]*\))| (?P<maybe>\??)")  # no space in a look-behind: its width is fixed

_SIZES = ("small", "tiny", "large", "moderate", "mild", "minimal", "trace", "slight", "severe", "marked")
# "X or Y" that nothing denies leaves both open; "small or moderate" is no such choice.
_OR = r"(?:(?:\s*,)?(?:\s+(?:and/or|or|versus|vs\.?)\s+|\s*/\s*)|或者?)"
DEGREES = frozenset((*_SIZES, "old", "healed", "chronic", "acute", "left", "right", "one", "two", "three", "more"))
ALTERNATIVE_AFTER = re.compile(rf"^(?:s|es)?{_OR}(?!(?:no|not|without|if|prior|previous)\b)(?=\w)")
ALTERNATIVE_BEFORE = re.compile(rf"(?P<first>\w+)\)?{_OR}(?:[\w-]+\s+){{0,3}}$")
# A differential's list goes on past commas that would end a denial's.
DIFFERENTIAL = re.compile(r"\bdifferential\b[^.;]*$")
# A finding with one of these before it is affirmed, and no bare name of a list.
SIZED = re.compile(rf"\b(?:{'|'.join(_SIZES)}|an?|the|left|right|bilateral|new|old|stable)\s+$")


@dataclass(frozen=True, slots=True)
class Cues:
    """The cues of one kind: all as one pattern, and each under its name."""

    pattern: re.Pattern[str]
    named: Mapping[str, re.Pattern[str]]

    def name_of(self, words: str, start: int, text: str) -> str:
        """Return the name of the cue that matches `words` at `start` of the text in which the pattern found them."""
        for name, pattern in self.named.items():
            found = pattern.match(text, start)
            if found is not None and found[0] == words:
                return name
        return next((name for name, pattern in self.named.items() if pattern.match(text, start)), "")


@cache
def cues(kind: str) -> Cues:
    """Return the cues of a kind, a table of `polarity_cues.toml`: `cues("denied_before")`.

    "after" kinds match right behind a finding, at the start of the text given; an ending of its name is passed over.
    """
    table: Mapping[str, list[str]] = _data()[kind]
    lead = r"(?:e?s(?![a-z0-9]))?\s*" if kind.endswith("_after") or kind.startswith("answered") else ""
    named = {name: re.compile(f"{lead}(?:{_joined(patterns)})") for name, patterns in table.items()}
    everything = _joined([one for patterns in table.values() for one in patterns])
    return Cues(re.compile(f"{lead}(?:{everything})"), named)


@cache
def _data() -> dict[str, dict[str, list[str]]]:
    text = (files("radseek.retrieval.language") / "polarity_cues.toml").read_text(encoding="utf-8")
    data: dict[str, dict[str, list[str]]] = tomllib.loads(text)
    return data


def _joined(patterns: list[str]) -> str:
    return "|".join(_compiled(one) for one in patterns)


def _compiled(pattern: str) -> str:
    """Write a cue out: its <words>, any spacing for a space, and word ends where it is of Latin letters."""
    written = _SPACE.sub(lambda match: match["behind"] or (r"\s*" if match["maybe"] else r"\s+"), _written(pattern))
    begins = r"(?<![a-z0-9])" if re.match(r"[a-z(]", pattern) and not _HAN.search(pattern) else ""
    ends = r"(?![a-z0-9])" if not _HAN.search(pattern) else ""
    return f"{begins}(?:{written}){ends}"


def _written(pattern: str) -> str:
    words = _data()["words"]
    while _WORD.search(pattern):
        pattern = _WORD.sub(lambda match: f"(?:{words[match[1]]})", pattern)
    return pattern
