"""Headings of tables as they are compared: without case, accents, spaces or punctuation; and as messages list them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

__all__ = ["by_plain_heading", "first_heading", "plain_heading", "shown_headings"]

_SHOWN: Final = 12  # headings that a message lists
_LONGEST: Final = 60  # characters of one


def plain_heading(heading: str) -> str:
    """Return a heading as it is compared.

    >>> plain_heading(" Étude_ID "), plain_heading("(0020,000D)"), plain_heading("检查 号")
    ('etudeid', '0020000d', '检查号')
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", heading).casefold())
    letters = "".join(char for char in apart if char.isalnum())  # accents and marks go, Hangul is put together again
    return unicodedata.normalize("NFKC", letters)


def by_plain_heading(headings: Sequence[str]) -> dict[str, str]:
    """Return a table's headings by how they are compared; of two alike the first counts."""
    return {plain_heading(heading): heading for heading in reversed(headings)}


def first_heading(by_plain: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the heading that the first of `names`, as they are compared, finds; "" where none does."""
    return next((by_plain[name] for name in names if name in by_plain), "")


def shown_headings(headings: Sequence[str]) -> str:
    """Return the headings of a table as a message lists them."""
    shown = [heading if len(heading) <= _LONGEST else f"{heading[:_LONGEST]}…" for heading in headings[:_SHOWN]]
    more = f" and {len(headings) - _SHOWN} more" if len(headings) > _SHOWN else ""
    return f"the headings found are {', '.join(map(repr, shown))}{more}"
