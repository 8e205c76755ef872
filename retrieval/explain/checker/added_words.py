"""Words that a sentence adds: each has to be the claim's, a neutral one, or of a class that the claim is of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from radseek.retrieval.explain.checker.entities import TOKEN
from radseek.retrieval.explain.checker.lexicon import count, cue, stem, vocabulary, words
from radseek.retrieval.explain.checker.numerals import in_digits
from radseek.retrieval.explain.claims import Part
from radseek.retrieval.explain.evidence import Lang

__all__ = ["word_failures"]

_ENGLISH = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_OWNED = re.compile(rf"(?:{TOKEN.pattern})\s*(?:['’]s\b)?")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_UNITS = frozenset({"mm", "cm", "ml", "cc", "hu", "suv", "lps", "%"})
_CLASSES = ("deny", "doubt", "hedge", "assert", "unjudged", "cases")
_DIRECTIONS = ("up", "down", "same", "left", "right", "bilateral", "midline")
_LONGEST = 8  # characters of a Chinese word


def word_failures(said: str, claim: str, part: Part, statuses: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield a failure for each word of a marked sentence that its claim does not bear."""
    classes = _classes(claim, statuses, lang)
    extra = [f"class_{one}" for one in classes]
    extra += ["report_words"] * (part in ("reports", "neighbours")) + ["measure_words"] * (
        part in ("measurement", "change")
    )
    if lang == "en":
        yield from _english(said, claim, extra)
    else:
        yield from _chinese(said, claim, extra)


def _classes(claim: str, statuses: frozenset[str], lang: Lang) -> list[str]:
    """Return the classes of cues that a claim is of, by its words and by what it says of findings."""
    found = {name for name in _CLASSES if count(name, claim, lang)}
    found |= {"hedge"} if count("probability", claim, lang) else set()
    found |= {"absent": {"deny", "assert"}, "present": {"assert"}}.get(next(iter(statuses), ""), set())
    found |= {"doubt", "assert"} if "uncertain" in statuses else set()
    return sorted(found)


def _english(said: str, claim: str, extra: list[str]) -> Iterator[tuple[str, str]]:
    allowed = set(vocabulary("neutral", "en")) | {stem(one) for one in _words(claim)} | _UNITS
    for name in extra:
        allowed |= vocabulary(name, "en")
    allowed |= {stem(one) for name in _DIRECTIONS if count(name, claim, "en") for one in _directed(name, said)}
    for place, word in enumerate(_words(in_digits(said, "en"))):
        if stem(word) not in allowed and word.lower() not in allowed:
            yield ("new_name" if place and word[:1].isupper() else "word"), word


def _words(text: str) -> list[str]:
    return _ENGLISH.findall(_OWNED.sub(" ", text))


def _directed(name: str, said: str) -> list[str]:
    return [word for match in cue(name, "en").finditer(said) for word in re.findall(r"[a-z]+", match[0].lower())]


def _chinese(said: str, claim: str, extra: list[str]) -> Iterator[tuple[str, str]]:
    allowed = set(words("neutral", "zh"))
    for name in extra:
        allowed |= words(name, "zh")
    plain = TOKEN.sub(" ", in_digits(claim, "zh"))
    for run in _HAN.findall(plain):
        allowed |= {run[i:j] for i in range(len(run)) for j in range(i + 2, min(len(run), i + _LONGEST) + 1)}
        allowed |= {run} if len(run) == 1 else set()
    for name in _DIRECTIONS:
        if count(name, claim, "zh"):
            allowed |= set(_directed_chinese(name, said))
    shown = TOKEN.sub(" ", in_digits(said, "zh"))
    for run in _HAN.findall(shown):
        if (rest := _uncovered(run, allowed)) is not None:
            yield "word", rest
    latin = {one.lower() for one in _ENGLISH.findall(plain)} | _UNITS
    for word in _ENGLISH.findall(shown):
        if word.lower() not in latin:
            yield "new_name" if word[:1].isupper() else "word", word


def _directed_chinese(name: str, said: str) -> list[str]:
    return [match[0] for match in cue(name, "zh").finditer(said)] + [
        f"{match[0]}{after}" for match in cue(name, "zh").finditer(said) for after in ("侧",)
    ]


def _uncovered(run: str, allowed: set[str]) -> str | None:
    """Return what of a run of characters is left where known words cover it from the left, or None where all is."""
    reached = [True] + [False] * len(run)
    for end in range(1, len(run) + 1):
        reached[end] = any(reached[start] and run[start:end] in allowed for start in range(max(0, end - _LONGEST), end))
    if reached[-1]:
        return None
    return run[max(place for place, yes in enumerate(reached) if yes) :]
