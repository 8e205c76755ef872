"""The template's words: sentences by name and language, and how numbers, lists and views are written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from radseek.retrieval.explain.evidence import Lang

__all__ = [
    "amount",
    "bounded",
    "count",
    "enumerate_names",
    "has",
    "say",
    "share",
    "view_name",
    "view_names",
]

_PLACE = {"en": 0, "zh": 1}
_NO_UNIT = ("raw", "count", "")
_WHOLE = ("HU", "count", "")  # read to the nearest unit
_LARGE = 100.0  # from here on a decimal says nothing


@cache
def _sentences() -> Mapping[str, Mapping[str, Sequence[str]]]:
    text = (files("radseek.retrieval.explain.claims") / "sentences.toml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, list[str]]] = tomllib.loads(text)
    return loaded


def has(section: str, name: str) -> bool:
    """Say whether there is such a sentence."""
    return name in _sentences()[section]


def say(section: str, name: str, lang: Lang, /, **fields: object) -> str:
    """Return a sentence of `sentences.toml`, filled in. A name that the section lacks is its `other`."""
    known = _sentences()[section]
    return (known[name] if name in known else known["other"])[_PLACE[lang]].format(**fields)


def count(noun: str, number: int, lang: Lang) -> str:
    """Return `1 finding`, `8 findings`, `8项征象`."""
    one, several, chinese = _sentences()["counts"][noun]
    return (chinese if lang == "zh" else one if number == 1 else several).format(number)


def view_name(view: str, lang: Lang) -> str:
    """Return how a view is called; one that has no name here keeps its own."""
    return say("views", view, lang) if has("views", view) else view


@cache
def view_names(lang: Lang) -> Mapping[str, str]:
    """Return what views are called, and which view each name means."""
    return {names[_PLACE[lang]]: view for view, names in _sentences()["views"].items()}


def enumerate_names(names: Sequence[str], lang: Lang) -> str:
    """Return `a, b and c`, or `a、b、c`."""
    if lang == "zh":
        return "、".join(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def bounded(probability: float) -> str:
    """Return a probability or similarity to two places; one that would read 1.00 or 0.00 stays inside.

    >>> bounded(0.9137), bounded(0.9999), bounded(0.0001)
    ('0.91', '0.99', '0.01')
    """
    return f"{min(max(probability, 0.01), 0.99):.2f}"


def share(percentile: float) -> str:
    """Return a percentage as a whole number, rounded down: a standing is never said to be higher than it is."""
    return f"{int(percentile):d}"


def amount(value: float, unit: str) -> str:
    """Return a measured value with its unit.

    >>> amount(12.345, "ml"), amount(412.3, "ml"), amount(42.6, "HU"), amount(3.0, "count")
    ('12.3 ml', '412 ml', '43 HU', '3')
    """
    places = 0 if unit in _WHOLE or abs(value) >= _LARGE else 1
    text = f"{value:.{places}f}"
    text = text.removeprefix("-") if not float(text) else text
    return text if unit in _NO_UNIT else f"{text} {unit}"
