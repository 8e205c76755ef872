"""How two spellings are compared: NFKC, case-folded, `_` and `-` as spaces, one space between words."""

from __future__ import annotations

import unicodedata

__all__ = ["normalise"]

_EDGES = " .,;:!?\"'，。、；：！？"


def normalise(text: str) -> str:
    """Return the form in which terms are compared.

    >>> normalise("  Pleural_Effusion. ")
    'pleural effusion'
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("_", " ").replace("-", " ")
    return " ".join(folded.split()).strip(_EDGES)
