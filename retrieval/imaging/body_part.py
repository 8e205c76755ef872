"""One spelling for the parts of the body: DICOM's terms and free descriptions to a few canonical names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from radseek.retrieval.imaging.word_table import load_table, readings

__all__ = ["PARTS", "body_part", "joined"]

# The canonical names, in the order in which several are joined. Their words: body_part_words.toml.
PARTS: Final = ("head", "neck", "spine", "chest", "heart", "breast", "abdomen", "pelvis", "extremity")
_WORDS: Final = "body_part_words.toml"


def body_part(*texts: str) -> str:
    """Return the canonical part(s) that the first telling text names, joined with "_"; "" where none does.

    Words that may be there for another reason ("lung cancer") count only where no text has a plainer one.

    >>> body_part("", "CT Chest/Abd W CONTRAST"), body_part("颅脑平扫"), body_part("MRT Kniegelenk links")
    ('chest_abdomen', 'head', 'extremity')
    """
    named = [_named_in(text) for text in texts]
    return next((plain for plain, _ in named if plain), "") or next((weak for _, weak in named if weak), "")


def joined(parts: Iterable[str]) -> str:
    """Return canonical parts, each once, in their order, joined with "_"."""
    found = {part for several in parts for part in several.split("_")}
    return "_".join(part for part in PARTS if part in found)


@lru_cache(maxsize=4096)
def _named_in(text: str) -> tuple[str, str]:
    """What a text's plain words name, and what its weak ones do."""
    table = load_table(_WORDS)
    for reading in readings(text):
        found = table.find(reading)
        plain = {meaning.key for meaning in found if meaning.strength in ("words", "ambiguous")}
        if "spine" not in joined(plain).split("_"):  # "thoracic spine" is a spine, not a chest
            plain |= {meaning.key for meaning in found if meaning.strength == "levels"}
        weak = joined(meaning.key for meaning in found if meaning.strength == "weak")
        if (named := joined(plain)) or weak:
            return named, weak
    return "", ""
