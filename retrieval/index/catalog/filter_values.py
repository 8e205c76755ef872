"""What a value of a filter means, by its usual names in several languages: `male` is M, `磁共振` is MR."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files

from radseek.retrieval.imaging.body_part import PARTS, body_part
from radseek.retrieval.imaging.modality import MODALITIES

__all__ = ["is_usual_value", "meant_values"]

_APART = re.compile(r"[\s.\-_/]+")


def meant_values(field: str, text: str) -> tuple[str, ...]:
    """Return the values, in lower case, that a word for a filter's value means; an unknown word means itself.

    >>> meant_values("sex", "Female"), meant_values("modality", "X-ray"), meant_values("body_part", "brain")
    (('f',), ('cr', 'dx', 'rg'), ('head',))
    """
    given = text.strip().casefold()
    named = _names().get((field, _plain(text)))
    if named is not None:
        return named
    part = body_part(given) if field == "body_part" and given not in PARTS else ""
    # Compounds as the catalogue writes them, such as chest_abdomen, are left as they are.
    return (part,) if part and not set(given.split("_")) <= set(PARTS) else (given,)


def is_usual_value(field: str, value: str) -> bool:
    """Say whether a value in lower case is one that studies may have, whether or not any does."""
    if field == "modality":
        return value.upper() in MODALITIES
    if field == "body_part":
        return set(value.split("_")) <= set(PARTS)
    return (field, _plain(value)) in _names()


@cache
def _names() -> dict[tuple[str, str], tuple[str, ...]]:
    table: dict[str, dict[str, list[str]]] = tomllib.loads(
        (files("radseek.retrieval.index.catalog") / "filter_values.toml").read_text("utf-8")
    )
    return {
        (field, _plain(name)): tuple(meant.split(","))
        for field, entries in table.items()
        for meant, names in entries.items()
        for name in ([meant] if "," not in meant else []) + names
    }


def _plain(text: str) -> str:
    return _APART.sub("", unicodedata.normalize("NFKC", text).casefold())
