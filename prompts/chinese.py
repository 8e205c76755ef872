"""Chinese queries put into English: catalogue terms, longest first, and the small words between them.

Not a translator: words it does not know stay as they are, so that a reader sees what was not understood.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

from radseek.prompts.normalise import simplified
from radseek.prompts.shipped_sets import all_findings

__all__ = ["translate"]

_HAN = re.compile(r"[\u3400-\u9fff]")
_CLAUSE = re.compile(r"([,;.!?]|\bbut\b)")
_PUNCTUATION = str.maketrans(
    {"，": ", ", "。": ". ", "；": "; ", "：": ": ", "、": "和", "（": " (", "）": ") ", "？": "? ", "！": "! "}
)


def translate(text: str) -> str:
    """Replace Chinese finding names, negations and small words by English ones; other text is left alone.

    Traditional characters are read as simplified ones.

    >>> translate("左侧胸腔积液，无气胸")
    'left pleural effusion, no pneumothorax'
    """
    if not _HAN.search(text):
        return text
    text = simplified(text)
    lexicon, pattern = _lexicon()
    english = pattern.sub(lambda match: f" {lexicon[match[0]]} ", text.translate(_PUNCTUATION))
    clauses = (_spread_negation(clause) for clause in _CLAUSE.split(english))
    return re.sub(r"\s+([,;.!?:])", r"\1", " ".join(" ".join(clauses).split()))


def _spread_negation(clause: str) -> str:
    """In a negated clause "no A and B" means "no A or B"; said so, B is not read as present."""
    head, negation, rest = clause.partition(" no ")
    return clause if not negation else head + negation + re.sub(r"\band\b", "or", rest)


@cache
def _lexicon() -> tuple[dict[str, str], re.Pattern[str]]:
    """Chinese -> English, and the pattern that matches the longest term first."""
    words: dict[str, str] = tomllib.loads((files("radseek.prompts") / "chinese.toml").read_text(encoding="utf-8"))
    lexicon = dict(words)
    for finding in all_findings().values():
        for term in (finding.names["zh"], *finding.synonyms["zh"]):
            if _HAN.search(term):
                lexicon[term] = finding.names["en"]
    longest_first = sorted(lexicon, key=lambda term: (-len(term), term))
    return lexicon, re.compile("|".join(map(re.escape, longest_first)))
