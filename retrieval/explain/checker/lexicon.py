"""The checker's words: classes of cues as patterns, and the vocabularies of `words.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from radseek.retrieval.explain.evidence import Lang

__all__ = ["count", "cue", "stem", "vocabulary", "words"]

_ENDINGS = ("ies", "es", "s", "ed", "ing", "ly")


@cache
def _tables() -> Mapping[str, Mapping[str, str | list[str]]]:
    loaded: dict[str, dict[str, str | list[str]]] = tomllib.loads(
        (files("radseek.retrieval.explain.checker") / "words.toml").read_text(encoding="utf-8")
    )
    return loaded


@cache
def cue(name: str, lang: Lang) -> re.Pattern[str]:
    """Return the pattern of a class of cues (`deny`, `doubt`, `hedge`...)."""
    return re.compile("|".join(f"(?:{one})" for one in _tables()[lang][name]), re.IGNORECASE)


def count(name: str, text: str, lang: Lang) -> int:
    """Return how many cues of a class a text has."""
    return len(cue(name, lang).findall(text))


@cache
def words(name: str, lang: Lang) -> frozenset[str]:
    """Return a vocabulary as written."""
    return frozenset(str(_tables()[lang][name]).split())


@cache
def vocabulary(name: str, lang: Lang) -> frozenset[str]:
    """Return a vocabulary as it is compared: English by stem."""
    return frozenset(stem(one) for one in words(name, lang)) if lang == "en" else words(name, lang)


@cache
def stem(word: str) -> str:
    """Return an English word without its ending, for comparing forms of one word.

    >>> stem("Reported") == stem("reports") == stem("report")
    True
    """
    plain = word.lower().replace("’", "'").removesuffix("'s").removesuffix("'")
    for ending in _ENDINGS:
        if plain.endswith(ending) and len(plain) - len(ending) >= 3:
            plain = plain.removesuffix(ending)
            break
    return plain.removesuffix("e").removesuffix("y") if len(plain) > 3 else plain
