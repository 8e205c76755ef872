"""The form in which the rules read a report sentence: one script, one case, contractions and abbreviations in full."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

from radseek.prompts.normalise import folded
from radseek.prompts.report_words import report_words
from radseek.prompts.shipped_sets import all_findings

__all__ = ["plain_text"]

_HAN = re.compile(r"[\u3400-\u9fff]")
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019", "-------''")
_VERBS = "is|are|was|were|do|does|did|has|have|had|could|would|should|need|must"
# Longer forms first; each is tried at word ends only.
_IN_FULL: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])"), words)
    for pattern, words in (
        (rf"({_VERBS})n'?t", r"\1 not"),
        (r"can(?:'?t|not)", "can not"),
        (r"won'?t", "will not"),
        (r"ain'?t", "is not"),
        (r"(there|it|that|here)'s", r"\1 is"),
        (r"w/o", "without"),
        (r"r/o", "rule out"),
        (r"s/p", "status post"),
        (r"c/w", "consistent with"),
        (r"e/o", "evidence of"),
        (r"h/o|hx of|hx", "history of"),
        (r"neg", "negative"),
    )
)
_TURNED = re.compile(r"(?:肿大|增大)的?淋巴结")
_SIGNED = ((re.compile(r"(?<!\w)-ve(?!\w)"), "negative"), (re.compile(r"(?<!\w)\+ve(?!\w)"), "positive"))


@lru_cache(maxsize=1 << 14)
def plain_text(text: str) -> str:
    """Return a sentence as the rules read it.

    NFKC, lower case, simplified characters, one kind of comma and dash; contractions and a reporter's abbreviations
    in full; a Chinese name that a verb divides put together again. Offsets are those of the result.

    >>> plain_text("There isn’t any effusion w/o PICC")
    'there is not any effusion without picc'
    >>> plain_text("雙側胸腔未見積液")
    '双侧未见胸腔积液'
    """
    text = folded(text).translate(_DASHES)
    for pattern, words in (*_SIGNED, *_IN_FULL):
        text = pattern.sub(words, text)
    if not _HAN.search(text):
        return text.replace("，", ",")
    return _together(text.replace(",", "，"))


def _together(text: str) -> str:
    """Put "胸腔未见积液" as "未见胸腔积液": an organ, a verb and a noun that are one finding's name."""
    return _divided().sub(_reordered, _TURNED.sub("淋巴结肿大", text))


def _reordered(match: re.Match[str]) -> str:
    """Write every organ with every noun that it makes a name with; nouns that make none stay as they are."""
    joined = report_words().divided
    organs = [one[0] for one in re.finditer(_any_of(_organs()), match["organs"])]
    names: list[str] = []
    for noun in re.findall(_any_of(joined.nouns), match["nouns"]):
        made = [f"{partner}{noun}" for organ in organs if (partner := _partner(organ, noun)) is not None]
        names += made or [noun]
    before = match["organs"] + match["state"] if match["state"] else ""
    return before + match["verb"] + "及".join(names) if set(names) - set(joined.nouns) else match[0]


def _partner(organ: str, noun: str) -> str | None:
    """Return the longest beginning of the organ's words that makes a name with the noun: 肝 of 肝内, for 占位."""
    ends = range(len(organ), 0, -1)
    return next((organ[:end] for end in ends if organ[:end] in _partners()[noun]), None)


@cache
def _divided() -> re.Pattern[str]:
    words = report_words().divided
    organ = f"(?:{_any_of(_organs())})(?:{_any_of(words.endings)})?"
    join = f"(?:{_any_of(words.joins)})?(?:{_any_of(words.sides)})?"
    noun = _any_of(words.nouns)
    return re.compile(
        f"(?P<organs>{organ}(?:{join}{organ})*)"
        f"(?P<state>(?:{_any_of(words.states)})*，(?:{_any_of(words.within)})?)?"
        f"(?P<verb>(?:{_any_of(words.adverbs)})*(?:{_any_of(words.verbs)})(?:{_any_of(words.degrees)})*)"
        f"(?P<nouns>(?:{noun})(?:(?:{_any_of(words.joins)})(?:{noun}))*)"
    )


@cache
def _partners() -> Mapping[str, frozenset[str]]:
    """The organs with which each noun makes a name of the catalogue: 胸腔 for 积液, from 胸腔积液."""
    terms = {term for finding in all_findings().values() for term in finding.terms if _HAN.search(term)}
    return {
        noun: frozenset(term[: -len(noun)] for term in terms if term.endswith(noun) and term != noun)
        for noun in report_words().divided.nouns
    }


@cache
def _organs() -> tuple[str, ...]:
    return tuple(sorted(frozenset[str]().union(*_partners().values())))


def _any_of(words: Iterable[str]) -> str:
    """Return a regular expression for any of the words, the longest first."""
    return "|".join(sorted(words, key=len, reverse=True))
