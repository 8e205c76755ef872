"""Does a sentence say that a finding is there, that it is not, or that it may be? By rules, English and Chinese.

In the manner of NegEx: words that deny or doubt, before or after the finding, reach to the end of their clause. What
names a finding in a report, beyond the words given, is `retrieval.report_findings`' matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from retrieval import polarity_cues as cues

__all__ = ["Polarity", "flipped", "judge", "opposite", "plain_text", "polarity", "strongest"]

Polarity = Literal["present", "absent", "uncertain"]
_STRENGTH: tuple[Polarity, ...] = ("present", "uncertain", "absent")
_FLIPPED: dict[Polarity, Polarity] = {"present": "absent", "absent": "present", "uncertain": "uncertain"}


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
    text = plain_text(sentence)
    return strongest(judge(text, match.start(), match.end()) for match in _pattern(tuple(terms)).finditer(text))


def strongest(said: Iterable[Polarity]) -> Polarity | None:
    """Return what outweighs the rest: present, then uncertain, then absent; None for nothing said.

    >>> strongest(["absent", "uncertain"])
    'uncertain'
    """
    found = set(said)
    return next((value for value in _STRENGTH if value in found), None)


def opposite(one: Polarity | None, other: Polarity | None) -> bool:
    """Say whether one says present and the other absent."""
    return {one, other} == {"present", "absent"}


def flipped(said: Polarity) -> Polarity:
    """Return the opposite: absent for present, present for absent; uncertain stays."""
    return _FLIPPED[said]


def judge(text: str, start: int, end: int, since: int = 0) -> Polarity:
    """Judge the mention at `text[start:end]`, by its clause before it and after it.

    `text` is as `plain_text` gives it; words before `since` are not read.
    """
    blanked = _without_false_denials(text)
    reach = _reach(blanked[since:start])
    after = blanked[end:]
    following = cues.CLAUSE_END.search(after)
    after = after[: following.start() if following else None]
    if cues.CANNOT_EXCLUDE.search(reach) or cues.DOUBTED_AFTER.match(after):
        return "uncertain"
    if cues.DENIED_BEFORE.search(reach) or cues.DENIED_AFTER.match(after):
        return "absent"
    if cues.DOUBTED_BEFORE.search(reach) or cues.DIFFERENTIAL.search(blanked[since:start]):
        return "uncertain"
    is_denial = cues.DENIED_BEFORE.match(text, start) is not None  # "no acute disease or ..." is said for certain
    return "uncertain" if not is_denial and _is_alternative(reach, after) else "present"


def plain_text(text: str) -> str:
    """Return the form in which the rules read a sentence: NFKC, lower case, one kind of comma."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return text.replace("，", ",") if not re.search(r"[\u4e00-\u9fff]", text) else text.replace(",", "，")


def _reach(before: str) -> str:
    """Cut what precedes a mention down to what its clause says of it."""
    breaks = [match.end() for match in cues.CLAUSE_END.finditer(before)]
    reach = before[breaks[-1] if breaks else 0 :]
    new = [match.start() for match in cues.NEW_THING.finditer(reach)]
    return reach[new[-1] :].lstrip(",") if new else reach


def _is_alternative(reach: str, after: str) -> bool:
    """Say whether a mention is one side of an "or"."""
    if cues.ALTERNATIVE_AFTER.match(after):
        return True
    choice = cues.ALTERNATIVE_BEFORE.search(reach)
    return choice is not None and choice["first"] not in cues.DEGREES


@lru_cache(maxsize=64)
def _without_false_denials(text: str) -> str:
    return cues.NO_DENIAL.sub(lambda match: "#" * len(match[0]), text)


@lru_cache(maxsize=1024)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    words = sorted({plain_text(term).strip() for term in terms if term.strip()}, key=len, reverse=True)
    if not words:
        return re.compile(r"(?!)")
    return re.compile("|".join(_word(word) for word in words))


def _word(word: str) -> str:
    spaced = r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", word))
    if re.match(r"[a-z0-9]", word):
        return rf"(?<![a-z0-9]){spaced}(?:s|es)?(?![a-z0-9])"
    return spaced
