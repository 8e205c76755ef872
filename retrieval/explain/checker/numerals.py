"""Numbers written as words, English and Chinese, put as digits; and quantities with an `of` put as ratios."""

from __future__ import annotations

import re

from radseek.retrieval.explain.evidence import Lang

__all__ = ["in_digits"]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_UNITS = _SMALL.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ENGLISH = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_WORD = "|".join(sorted(_ENGLISH, key=len, reverse=True))
_SPOKEN = re.compile(rf"\b(?:(?:{'|'.join(_TENS)})[\s-]+(?:{'|'.join(_UNITS[1:10])})|{_WORD})\b", re.IGNORECASE)
_HUNDRED = re.compile(r"\b(\d{1,2}|a)\s+hundred(?:\s+and\s+(\d{1,2}))?\b", re.IGNORECASE)
_PERCENT = re.compile(r"\bper\s?cent\b", re.IGNORECASE)
_POINT = re.compile(r"(\d+)\s+point\s+((?:\d\s*)+)")

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_NUMERAL = "[零〇一二两三四五六七八九十百]+"
_COUNTED = "(?:例|个|项|层|毫米|毫升|厘米|次|处|份|张|枚|分之|%|部分)"
_MEASURED = re.compile(
    rf"({_NUMERAL})(?=(?:例|个|项|层|毫米|毫升|厘米|次|处|份|张|枚|分之|%|部分))|(?<=第)({_NUMERAL})"
)
_PER_HUNDRED = re.compile(rf"百分之({_NUMERAL}|\d+(?:\.\d+)?)(?:点({_NUMERAL}))?")
_CHINESE_UNITS = (("毫米", "mm"), ("厘米", "cm"), ("毫升", "ml"))


def in_digits(text: str, lang: Lang) -> str:
    """Return a sentence with its number words as digits and its units as symbols.

    >>> in_digits("Four of the twenty-one cases", "en"), in_digits("五例中四例，百分之九十一", "zh")
    ('4 of the 21 cases', '5例中4例，91%')
    """
    if lang == "en":
        text = _PERCENT.sub("%", _SPOKEN.sub(lambda match: str(_english(match[0])), text))
        text = _HUNDRED.sub(lambda m: str((1 if m[1].lower() == "a" else int(m[1])) * 100 + int(m[2] or 0)), text)
        return _POINT.sub(lambda match: f"{match[1]}.{''.join(match[2].split())} ", text)
    text = _PER_HUNDRED.sub(_percentage, text)
    text = _MEASURED.sub(lambda match: str(_chinese(match[1] or match[2])), text)
    for word, symbol in _CHINESE_UNITS:
        text = text.replace(word, f" {symbol} ")
    return text


def _english(words: str) -> int:
    return sum(_ENGLISH[word] for word in re.split(r"[\s-]+", words.lower()))


def _percentage(match: re.Match[str]) -> str:
    whole = match[1] if match[1][0].isdigit() else str(_chinese(match[1]))
    decimals = "".join(str(_DIGITS.get(one, "")) for one in match[2] or "")
    return f"{whole}.{decimals}%" if decimals else f"{whole}%"


def _chinese(numeral: str) -> int:
    """Return the value of a numeral below a thousand."""
    if not set(numeral) & set("十百"):
        return int("".join(str(_DIGITS[one]) for one in numeral))
    total, digit = 0, 0
    for one in numeral:
        if one in "十百":
            total += (digit or 1) * (10 if one == "十" else 100)
            digit = 0
        else:
            digit = _DIGITS[one]
    return total + digit
