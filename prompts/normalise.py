"""How two spellings are compared: NFKC, simplified characters, case-folded, `_` and `-` as spaces, single spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import opencc

__all__ = ["folded", "normalise", "simplified"]

_EDGES = " .,;:!?\"'，。、；：！？"
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def simplified(text: str) -> str:
    """Return Chinese text in simplified characters, character for character, so that offsets stay; other text as it is.

    Conversion is OpenCC's `t2s` (the dictionaries of the OpenCC project), which leaves simplified text alone.

    >>> simplified("雙側無胸腔積液"), simplified("无胸腔积液")
    ('双侧无胸腔积液', '无胸腔积液')
    """
    if not _HAN.search(text):
        return text
    converted: str = _converter().convert(text)
    if len(converted) == len(text):
        return converted
    # A phrase of another length would move every offset behind it: one character at a time then.
    singly = (_converter().convert(one) if _HAN.match(one) else one for one in text)
    return "".join(new if len(new) == 1 else old for old, new in zip(text, singly, strict=True))


def folded(text: str) -> str:
    """Return text in NFKC, lower case and simplified characters: full-width marks and both scripts become one.

    >>> folded("氣胸（－）CT")
    '气胸(-)ct'
    """
    return simplified(unicodedata.normalize("NFKC", text).casefold())


def normalise(text: str) -> str:
    """Return the form in which terms are compared.

    >>> normalise("  Pleural_Effusion. ")
    'pleural effusion'
    """
    plain = folded(text).replace("_", " ").replace("-", " ")
    return " ".join(plain.split()).strip(_EDGES)


@cache
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")
