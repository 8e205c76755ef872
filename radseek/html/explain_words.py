"""The fixed words of an explanation in English or Chinese, from `explain_words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.explain.evidence import Lang

__all__ = ["LANGUAGES", "Words", "words_in"]

LANGUAGES: tuple[Lang, ...] = ("en", "zh")


class Words:
    """One language's words. `page` holds the headings and sentences; other groups put a code into words."""

    def __init__(self, lang: Lang, groups: Mapping[str, Mapping[str, str]]) -> None:
        self.lang = lang
        self._groups = groups

    @property
    def page(self) -> Mapping[str, str]:
        """Return the page's own words, by key."""
        return self._groups["page"]

    @property
    def terminal(self) -> Mapping[str, str]:
        """Return the terminal's own words, by key."""
        return self._groups["terminal"]

    def of(self, group: str, code: str) -> str:
        """Return a code in words; a code that has none is shown as it is, its underscores as spaces."""
        return self._groups[group].get(code) or code.replace("_", " ")

    def names(self, by_language: Mapping[str, str]) -> str:
        """Return a name in this language; in whatever there is where it has none."""
        return by_language.get(self.lang) or next((name for name in by_language.values() if name), "")


@cache
def words_in(lang: Lang) -> Words:
    """Return a language's words. Raises `UnknownNameError` for a language that there is none of."""
    if lang not in LANGUAGES:
        raise UnknownNameError(f"Explanations are written in {', '.join(LANGUAGES)}, not in {lang!r}; use --lang zh.")
    column = LANGUAGES.index(lang)
    tables = tomllib.loads((files("radseek.html") / "explain_words.toml").read_text("utf-8"))
    return Words(lang, {name: {key: pair[column] for key, pair in table.items()} for name, table in tables.items()})
