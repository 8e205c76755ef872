"""What a small model's rewording must keep to be worth saying; the checker (`explain.checker`) judges it afterwards.

The checker finds what is false; it lets a sentence leave things out. A small model leaves out a good deal, and a
template's sentence that stands is better than half a claim.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["keeps_the_claim"]

_NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")
_STEM = 6  # letters: "reported" and "reports" are one word
_KEPT = 0.8  # of the claim's words
_LENGTH = (0.75, 1.25)  # in words, of the claim's


def keeps_the_claim(sentence: str, text: str) -> bool:
    """Return whether an English sentence says all that a claim's `text` does, at about its length.

    That is: the same numbers as often, four in five of its words of four letters or more, by their first six letters,
    and between three and five quarters of its length.

    >>> [keeps_the_claim(said, "The volume is 3.2 ml.") for said in ("Its volume is 3.2 ml.", "3.2 ml.")]
    [True, False]
    """
    if Counter(_NUMBER.findall(sentence)) != Counter(_NUMBER.findall(text)):
        return False
    least, most = (share * len(text.split()) for share in _LENGTH)
    stems = _stems(text)
    return least <= len(sentence.split()) <= most and len(stems & _stems(sentence)) >= _KEPT * len(stems)


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.lower())}
