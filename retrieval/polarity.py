"""Does a sentence say that a finding is there, that it is not, or that it may be? By rules, English and Chinese.

In the manner of NegEx: words that deny or doubt, before or after the finding, reach to the end of their clause.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

__all__ = ["Polarity", "opposite", "polarity"]

Polarity = Literal["present", "absent", "uncertain"]

# Not denials, whatever they begin with: blanked out before anything else is read.
_NO_DENIAL = re.compile(
    r"\b(?:no|without(?:\s+any)?)\s+(?:(?:significant|substantial|interval|definite|appreciable|further|other)\s+)*"
    r"(?:change|increase|decrease|difference|growth|progression|improvement|worsening)s?\b(?:\s+(?:in|of))?"
    r"|\bnot\s+(?:significantly\s+)?(?:changed|increased|decreased)\b|\bnot only\b"
    r"|(?:未见|无)(?:明显|显著)?(?:变化|改变|增大|缩小|进展)"
)
_CLAUSE_END = re.compile(
    r"[.;!。；！，]|\?(?=\s*\w)|\b(?:but|however|although|though|except(?:\s+for)?|apart from|aside from|other than|"
    r"yet|nevertheless|whereas|while|which|with(?=\s+(?:a|an|small|mild|moderate|large|associated)\b))\b|但是?|然而|除了"
)
# After a comma these begin something that is affirmed, so a denial before the comma does not reach them.
_NEW_THING = re.compile(
    r",\s*(?:and\s+|with\s+)?(?:there\s+(?:is|are|may)|an?|small|tiny|large|moderate|mild|minimal|trace|new|stable|"
    r"unchanged|persistent|left|right|bilateral|possible|probable|likely|suspected|questionable|no|without)\b"
)
_DENIED_BEFORE = re.compile(
    r"\b(?:no|not|nothing|without|absent|denies|fail(?:s|ed)?\s+to\s+(?:show|demonstrate|reveal)|"
    r"negative\s+for|free\s+of|clear\s+of|absence\s+of|lack\s+of|"
    r"rather\s+than|(?:has|have)\s+resolved|resolution\s+of|resolved|exclude[sd]|ruled\s+out|never|neither|nor)\b"
    r"|未见|未发现|未及|未显示|没有|不伴|无|排除|否认"
)
_DENIED_AFTER = re.compile(
    r"^s?\s*(?:[:：-]\s*(?:no|none|absent|negative|无|阴性)\b"
    r"|(?:\w+\s+){0,3}?(?:(?:is|are|was|were)\s+)?(?:not|no\s+longer)\s+(?:\w+\s+)?(?:seen|identified|present|visuali[sz]ed|"
    r"visible|evident|demonstrated|appreciated|observed|detected|noted|shown)"
    r"|(?:is|are|was|were)\s+(?:absent|excluded|ruled\s+out|negative)|(?:has|have)\s+(?:completely\s+)?(?:resolved|cleared)"
    r"|(?:is|are)\s+(?:completely\s+)?resolved|[:：]?\s*(?:未见|阴性|消失|已?吸收|不明显|无(?!明显变化)))"
)
_DOUBTED_BEFORE = re.compile(
    r"\?\s*$|\b(?:possibl[ey]|probabl[ey]|likely|suspected|suspicious\s+for|suspicion\s+of|concerning\s+for|concern\s+for|"
    r"may|might|could|suggest(?:s|ive|ing|ed)?(?:\s+of)?|question(?:able|\s+of)|query|equivocal|versus|vs|cannot\s+exclude|"
    r"can\s*not\s+exclude|not\s+exclude|differential|rule\s+out|evaluate\s+for|assess\s+for|borderline)\b"
    r"|可能|疑似|疑|考虑|倾向|不除外|不能排除|不排除|待排"
)
_DOUBTED_AFTER = re.compile(
    r"^s?\s*(?:\?|？|(?:\w+\s+){0,4}?(?:(?:can\s*not|could\s+not|not)\s+(?:be\s+)?(?:\w+\s+)?(?:excluded|ruled\s+out)"
    r"|(?:is|are)\s+(?:possible|suspected|questionable|likely|probable|not\s+excluded)"
    r"|(?:may|might|could)\s+be\s+present|versus|vs\b)|[^，。；]{0,4}(?:不除外|不能排除|不排除|待排|可能|[?？]))"
)
# "cannot be excluded" holds a denial's words and is a doubt.
_CANNOT_EXCLUDE = re.compile(
    r"(?:can\s*not|could\s+not|not)\s+(?:be\s+)?(?:\w+\s+)?(?:excluded?|ruled?\s+out)|不除外|不能排除|不排除"
)


def polarity(sentence: str, terms: Iterable[str]) -> Polarity | None:
    """Return what a sentence says of the finding that `terms` name, or None where it does not name it.

    Where it is named more than once, present outweighs uncertain and uncertain outweighs absent.

    >>> polarity("No pneumothorax or effusion, small nodule.", ["effusion"])
    'absent'
    >>> polarity("No pneumothorax, small effusion.", ["effusion"])
    'present'
    >>> polarity("不能排除气胸。", ["气胸"])
    'uncertain'
    """
    text = _plain(sentence)
    blanked = _NO_DENIAL.sub(lambda match: "#" * len(match[0]), text)
    found = {_at(blanked, match.start(), match.end()) for match in _pattern(tuple(terms)).finditer(text)}
    for value in ("present", "uncertain", "absent"):
        if value in found:
            return value
    return None


def opposite(one: Polarity | None, other: Polarity | None) -> bool:
    """Say whether one says present and the other absent."""
    return {one, other} == {"present", "absent"}


def _at(text: str, start: int, end: int) -> Polarity:
    """Judge one mention, by its clause before it and after it."""
    before = text[:start]
    breaks = [match.end() for match in _CLAUSE_END.finditer(before)]
    before = before[breaks[-1] if breaks else 0 :]
    after = text[end:]
    following = _CLAUSE_END.search(after)
    after = after[: following.start() if following else None]
    reach = before
    for comma in _NEW_THING.finditer(before):
        reach = before[comma.start() + 1 :]
    if _CANNOT_EXCLUDE.search(reach) or _DOUBTED_AFTER.match(after):
        return "uncertain"
    if _DENIED_BEFORE.search(reach) or _DENIED_AFTER.match(after):
        return "absent"
    return "uncertain" if _DOUBTED_BEFORE.search(reach) else "present"


@lru_cache(maxsize=1024)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    words = sorted({_plain(term).strip() for term in terms if term.strip()}, key=len, reverse=True)
    if not words:
        return re.compile(r"(?!)")
    return re.compile("|".join(_word(word) for word in words))


def _word(word: str) -> str:
    spaced = r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", word))
    if re.match(r"[a-z0-9]", word):
        return rf"(?<![a-z0-9]){spaced}(?:s|es)?(?![a-z0-9])"
    return spaced


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return text.replace("，", ",") if not re.search(r"[\u4e00-\u9fff]", text) else text.replace(",", "，")
