"""A sentence in parts, its finding's words marked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import terms

__all__ = ["mark", "named_findings"]

Parts = tuple[tuple[str, bool], ...]


def mark(sentence: str, words: Iterable[str]) -> Parts:
    """Split a sentence into (text, is marked) parts: marked wherever one of `words` stands, in any case.

    >>> mark("Small left pleural effusion.", ["effusion", "pleural effusion"])
    (('Small left ', False), ('pleural effusion', True), ('.', False))
    """
    pattern = _pattern(tuple(sorted({word.strip() for word in words if word.strip()}, key=lambda w: (-len(w), w))))
    parts: list[tuple[str, bool]] = []
    at = 0
    for found in pattern.finditer(sentence):
        parts += [(sentence[at : found.start()], False), (found[0], True)]
        at = found.end()
    return tuple(part for part in (*parts, (sentence[at:], False)) if part[0])


def named_findings(sentence: str) -> tuple[Finding, ...]:
    """Return the catalogue's findings that a sentence names, in order, the longest words winning at each place."""
    known = terms()
    found = _pattern(tuple(sorted(known, key=lambda word: (-len(word), word)))).finditer(normalise(sentence))
    named = (known.get(one[0]) or known.get(re.sub("e?s$", "", one[0])) or known.get(one[0][:-1]) for one in found)
    return tuple({finding.name: finding for finding in named if finding is not None}.values())


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    if not words:
        return re.compile(r"(?!)")
    return re.compile("|".join(_whole(word) for word in words), re.IGNORECASE)


def _whole(word: str) -> str:
    spaced = r"\s+".join(re.escape(part) for part in word.split())
    return rf"(?<![A-Za-z0-9]){spaced}(?:es|s)?(?![A-Za-z0-9])" if word[0].isascii() else spaced
