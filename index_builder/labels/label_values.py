"""What a cell of a table of labels says: present, absent, uncertain or nothing; and how the last two are counted."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, Literal

__all__ = ["Cell", "Empty", "Uncertain", "cell_says", "label_words", "list_items", "policies"]

Cell = Literal["present", "absent", "uncertain", "empty"]
Uncertain = Literal["ignore", "present", "absent"]
Empty = Literal["unknown", "absent"]

_WORDS: Final = files("radseek.index_builder.labels") / "label_words.toml"
_QUOTES: Final = "'\" \t\r\n"
_NUMBERS: Final[Mapping[float, Cell]] = {1.0: "present", 0.0: "absent", -1.0: "uncertain"}


def cell_says(cell: str) -> Cell | None:
    """Return what a cell says; None for one that is no label.

    >>> cell_says("1.0"), cell_says("-1"), cell_says(" No "), cell_says(""), cell_says("0.7")
    ('present', 'uncertain', 'absent', 'empty', None)
    """
    return _says(cell.strip().casefold())


def policies(uncertain: Uncertain, empty: Empty) -> dict[Cell, bool | None]:
    """Return what each kind of cell counts as: True present, False absent, None not known."""
    of_uncertain = {"ignore": None, "present": True, "absent": False}[uncertain]
    return {"present": True, "absent": False, "uncertain": of_uncertain, "empty": None if empty == "unknown" else False}


def list_items(cell: str) -> list[str]:
    """Return the names in a cell that lists them: `a|b`, `a;b`, one a line, or as Python and JSON write a list.

    A comma separates only in brackets, because names may hold one.

    >>> list_items("Effusion|Mass"), list_items("['pleural effusion', 'normal ']"), list_items("")
    (['Effusion', 'Mass'], ['pleural effusion', 'normal'], [])
    """
    text = cell.strip()
    if text[:1] == "[" and text[-1:] == "]":
        return [item for part in _bracketed(text) if (item := part.strip(_QUOTES))]
    mark = next((one for one in "|;\n" if one in text), "|")
    return [item for part in text.split(mark) if (item := part.strip(_QUOTES))]


@cache
def label_words() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the tables of `label_words.toml`: `headings`, `cells`, `chest`."""
    tables: dict[str, dict[str, list[str]]] = tomllib.loads(_WORDS.read_text("utf-8"))
    return {name: {kind: tuple(words) for kind, words in table.items()} for name, table in tables.items()}


@cache
def _meanings() -> dict[str, Cell]:
    kinds: tuple[Cell, ...] = ("present", "absent", "uncertain", "empty")
    return {word: kind for kind in kinds for word in label_words()["cells"][kind]}


def _bracketed(text: str) -> list[str]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # names without quotes
        return text[1:-1].split(",")
    return [str(item) for item in found]


@lru_cache(maxsize=4096)  # few cells of a table differ
def _says(word: str) -> Cell | None:
    if word in _meanings():
        return _meanings()[word]
    try:
        return _NUMBERS.get(float(word))
    except ValueError:
        return None
