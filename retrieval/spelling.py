"""Words of a question that are nobody's and near a term of the catalogue: what was probably meant, for the user to say.

Nothing is changed in silence: what was asked is asked, and the nearest term is offered beside the answer. A word is
left alone where it is one of the catalogue, of radiology (`spelling.toml`), or of the built-in encoder's vocabulary.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from prompts.finding import Finding
from prompts.library import terms
from prompts.normalise import normalise

__all__ = ["Suggestion", "spelling_of", "spelling_of_findings"]

_NEAR: Final = 0.78  # similarity (difflib's ratio) from which a word may be a slip of another
_NEARER: Final = 0.85  # the same for words that the catalogue does not ask for
_SAME: Final = 0.9  # from which the rests of two words are one
_SHORTEST: Final = 5  # letters; of shorter words only two letters that changed places are corrected
_FURTHEST: Final = 3  # letters more or fewer
_WORD: Final = re.compile(r"[^\W\d_]+")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_LONGEST_TERM: Final = 7  # words of a catalogue term
_ENDINGS: Final = ("s", "es", "ed", "d", "ing", "al", "ly", "like")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Words as they were asked, and what they may have been meant to be."""

    words: str
    meant: str

    def to_json(self) -> dict[str, str]:
        """Return it as JSON-able values."""
        return {"words": self.words, "meant": self.meant}

    def __str__(self) -> str:
        """Return it as the sentence that a user reads."""
        return f"Searched for '{self.words}' as written; did you mean {self.meant}?"


@lru_cache(maxsize=256)
def spelling_of(text: str) -> tuple[Suggestion, ...]:
    """Return what the misspelt words of a text were probably meant to be, in their order; () where nothing is near.

    >>> spelling_of("left pnuemothorax"), spelling_of("left pneumothorax")
    ((Suggestion(words='pnuemothorax', meant='pneumothorax'),), ())
    """
    if normalise(text) in terms():
        return ()
    return (*_latin(_WORD.findall(normalise(text))), *_chinese(normalise(text)))


def spelling_of_findings(findings: Iterable[Finding]) -> tuple[Suggestion, ...]:
    """Return what the misspelt words of free findings were probably meant to be; those of sets are never asked."""
    free = (finding.names["zh"] for finding in findings if finding.name.startswith("free_"))  # as they were written
    return tuple(one for words in free for one in spelling_of(words))


def _latin(words: Sequence[str]) -> Iterator[Suggestion]:
    joined = _rejoined(words)
    if joined is not None:
        yield joined
        return
    choices = [_corrections(word) if word.isascii() else [] for word in words]
    mended = [found[0] if found else word for word, found in zip(words, choices, strict=True)]
    for at, found in enumerate(choices):  # what makes a term with its neighbours is meant rather than what is nearest
        tried = ((one, _term_around([*mended[:at], one, *mended[at + 1 :]], at)) for one in found)
        mended[at] = max(tried, key=lambda one: one[1][1] - one[1][0], default=(mended[at], None))[0]
    wrong = [at for at, found in enumerate(choices) if found]
    while wrong:
        start, end = _term_around(mended, wrong[0])
        yield Suggestion(" ".join(words[start:end]), " ".join(mended[start:end]))
        wrong = [at for at in wrong if at >= end]


def _term_around(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return where the longest term of the catalogue that has the word `at` begins and ends; else that word alone."""
    known = terms()
    for length in range(min(_LONGEST_TERM, len(words)), 1, -1):
        for start in range(max(at - length + 1, 0), min(at, len(words) - length) + 1):
            if _singular(" ".join(words[start : start + length])) & known.keys():
                return start, start + length
    return at, at + 1


def _rejoined(words: Sequence[str]) -> Suggestion | None:
    """Return a term that was written in two words: `pneumo thorax`."""
    for first, second in itertools.pairwise(words):
        if first + second in _catalogue_words() and not (_is_word(first) and _is_word(second)):
            return Suggestion(f"{first} {second}", first + second)
    return None


def _corrections(word: str) -> list[str]:
    """Return what a word may be a slip of, the likeliest first; [] where it is a word, or nothing is near."""
    if len(word) < _SHORTEST - 1 or _is_word(word):
        return []
    if len(word) < _SHORTEST:
        swapped = (f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}" for i in range(len(word) - 1))
        return [one for one in swapped if one in _catalogue_words()]
    candidates, asked = _candidates(), _catalogue_words()
    near = difflib.get_close_matches(word, candidates, n=8, cutoff=_NEAR)
    ratios = {one: _ratio(one, word) for one in near}
    fitting = [
        one
        for one in near
        if abs(len(one) - len(word)) <= _FURTHEST
        and (candidates[one] != one or one in asked or ratios[one] >= _NEARER)
        and not _another_word(word, one)
    ]
    fitting.sort(key=lambda one: (-round(ratios[one], 2), one not in asked, one[0] != word[0], one))
    return [candidates[one] for one in fitting]


def _another_word(word: str, other: str) -> bool:
    """Say whether two words differ in a beginning or an end that makes a word of its own: hypo- and hyper-."""
    table = _table()
    own, others = _first_part(word, table["beginnings"]), _first_part(other, table["beginnings"])
    rest = word.removeprefix(own)
    if (
        own
        and own != others
        and (_ratio(rest, other.removeprefix(others)) >= _SAME if others else rest in _known_words())
    ):
        return True
    end, other_end = _last_part(word, table["ends"]), _last_part(other, table["ends"])
    if end and end == other_end and len(end) >= _SHORTEST:  # what differs must then be in the stems
        return _ratio(word.removesuffix(end), other.removesuffix(end)) < _NEAR
    return bool(end and other_end and not end.endswith(other_end) and not other_end.endswith(end))


def _first_part(word: str, parts: Sequence[str]) -> str:
    return max((part for part in parts if word.startswith(part)), key=len, default="")


def _last_part(word: str, parts: Sequence[str]) -> str:
    return max((part for part in parts if word.endswith(part)), key=len, default="")


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _is_word(word: str) -> bool:
    known = _known_words()
    stems = (word.removesuffix(end) for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _SHORTEST - 1)
    return word in known or any(stem in known or f"{stem}e" in known for stem in stems)


def _singular(text: str) -> set[str]:
    return {text, text.removesuffix("s"), text.removesuffix("es")}


def _chinese(text: str) -> Iterator[Suggestion]:
    """Yield terms in which one character was typed or read for another that is like it."""
    if not _HAN.search(text):
        return
    taken = 0
    for at, char in enumerate(text):
        if at < taken:
            continue
        found = max(_chinese_at(text, at, char), key=lambda one: len(one[1]), default=None)
        if found is not None:
            start, meant = found
            taken = start + len(meant)
            yield Suggestion(text[start:taken], meant)


def _chinese_at(text: str, at: int, char: str) -> Iterator[tuple[int, str]]:
    known = _chinese_terms()
    windows = [
        (start, length)
        for length in sorted({len(term) for term in known})
        for start in range(max(at - length + 1, 0), min(at, len(text) - length) + 1)
    ]
    if any(text[start : start + length] in known for start, length in windows):
        return
    for right in _alike().get(char, ""):
        mended = text[:at] + right + text[at + 1 :]
        for start, length in windows:
            if mended[start : start + length] in known:
                yield start, mended[start : start + length]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files("retrieval") / "spelling.toml").read_text("utf-8"))


@cache
def _catalogue_words() -> frozenset[str]:
    return frozenset(word for term in terms() for word in _WORD.findall(term) if word.isascii() and len(word) > 3)


@cache
def _candidates() -> Mapping[str, str]:
    """Return what a word may be a slip of, and how that is written; two words of a term also as one."""
    words = _catalogue_words() | set(_table()["words"].split())
    found = {word: word for word in words if len(word) >= _SHORTEST - 1}
    for term in terms():
        parts = term.split()
        if term.isascii():
            for size in (2, len(parts)):
                for start in range(len(parts) - size + 1):
                    some = parts[start : start + size]
                    if size > 1 and len("".join(some)) > 2 * _SHORTEST:
                        found.setdefault("".join(some), " ".join(some))
    return found


@cache
def _known_words() -> frozenset[str]:
    tokenizer = json.loads((files("retrieval.encoders") / "builtin" / "tokenizer.json").read_text("utf-8"))
    plain = {word for word in tokenizer["model"]["vocab"] if word.isalpha()}
    every = {word for term in terms() for word in _WORD.findall(term)}
    return frozenset(plain | every | set(_table()["words"].split()))


@cache
def _chinese_terms() -> frozenset[str]:
    return frozenset(term for term in terms() if _HAN.match(term) and len(term) > 1)


@cache
def _alike() -> dict[str, str]:
    found: dict[str, str] = {}
    for group in _table()["alike"]:
        for char in group:
            found[char] = found.get(char, "") + group.replace(char, "")
    return found
