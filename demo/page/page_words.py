"""The page's words in two languages, from `words.toml` and `words_archive.toml`."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

__all__ = ["LANGUAGES", "Lang", "every_word", "say", "say_or", "section_words"]

Lang = Literal["en", "zh"]
LANGUAGES: Final[tuple[tuple[str, Lang], ...]] = (("English", "en"), ("简体中文", "zh"))
_PLACE: Final[dict[str, int]] = {"en": 0, "zh": 1}


@lru_cache(maxsize=1)
def every_word() -> dict[str, tuple[str, str]]:
    """Return each entry as `section.name`: (English, Chinese)."""
    texts = [
        files("radseek.demo.page").joinpath(name).read_text("utf8")
        for name in ("page_words.toml", "archive_words.toml")
    ]
    return {
        f"{section}.{name}": (pair[0], pair[1])
        for text in texts
        for section, entries in tomllib.loads(text).items()
        for name, pair in entries.items()
    }


def say(name: str, lang: str, /, **fill: object) -> str:
    """Return an entry, its {braces} filled in; plain text, not escaped. Raises `KeyError` for an unknown one.

    >>> say("page.notice", "en")
    'Research use only. Not a medical device.'
    """
    text = every_word()[name][_PLACE[lang]]
    return text.format(**fill) if fill else text


def say_or(name: str, lang: str, otherwise: str) -> str:
    """Return an entry, or `otherwise` where there is none: for codes that come from elsewhere."""
    return say(name, lang) if name in every_word() else otherwise


def section_words(section: str, lang: Lang) -> dict[str, Any]:
    """Return the language and every entry of a section in it, for a script that draws by itself."""
    names = [name.partition(".")[2] for name in every_word() if name.startswith(f"{section}.")]
    return {"lang": lang, "words": {name: say(f"{section}.{name}", lang) for name in names}}
