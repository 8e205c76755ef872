"""Words of a question that are nobody's and near a term of the catalogue: what was probably meant, for the user to say.

Nothing is changed in silence: what was asked is asked, and the nearest term is offered beside the answer. A word is
left alone where it is one of the catalogue, of radiology (`spelling.toml`), or of everyday English: the vocabularies of
the built-in encoder and of CLIP, which open_clip brings.
"""

from __future__ import annotations

import difflib
import gzip
import importlib.util
import itertools
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import terms

__all__ = ["Suggestion", "spelling_of", "spelling_of_findings"]

_NEAR: Final = 0.77  # similarity (difflib's ratio) from which a word may be a slip of another
_NEARER: Final = 0.85  # the same for words that the catalogue does not ask for
_SAME: Final = 0.9  # from which the rests of two words are one
_SHORTEST: Final = 4  # letters
_FURTHEST: Final = 3  # letters more or fewer
_WORD: Final = re.compile(r"[^\W\d_]+")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_END: Final = 5  # letters of an end that says so much that the stems before it decide
_LEADING: Final = 7  # letters from which a correction stands alone; a shorter one must make a term with its neighbours
_MERGES: Final = 48_895  # lines of CLIP's vocabulary that are used: 49,152 less 256 bytes and 2 marks, after a heading
_LONGEST_TERM: Final = 7  # words of a catalogue term
_ENDINGS: Final = ("s", "es", "ed", "d", "ing", "al", "ly", "like")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Words as they were asked, and what they may have been meant to be."""

    words: str
    meant: str

    def to_dict(self) -> dict[str, str]:
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
    wrong = [at for at, found in enumerate(choices) if found and _is_meant(mended, at)]
    while wrong:
        start, end = _term_around(mended, wrong[0])
        yield Suggestion(" ".join(words[start:end]), " ".join(mended[start:end]))
        wrong = [at for at in wrong if at >= end]


def _is_meant(words: Sequence[str], at: int) -> bool:
    """Say whether a correction is worth offering: long, a term of the catalogue, or one with its neighbours."""
    start, end = _term_around(words, at)
    return end - start > 1 or len(words[at]) >= _LEADING or bool(_singular(words[at]) & terms().keys())


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
        if first + second in _catalogue_words():
            return Suggestion(f"{first} {second}", first + second)
    return None


def _corrections(word: str) -> list[str]:
    """Return what a word may be a slip of, the likeliest first; [] where it is a word, or nothing is near."""
    if len(word) < _SHORTEST or _is_word(word):
        return []
    candidates, asked = _candidates(), _catalogue_words()
    swapped = {f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}" for i in range(len(word) - 1)} & candidates.keys()
    near = sorted({*difflib.get_close_matches(word, candidates, n=8, cutoff=_NEAR), *swapped})
    ratios = {one: 1.0 if one in swapped else _ratio(one, word) for one in near}
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
        and (_ratio(rest, other.removeprefix(others)) >= _SAME if others else rest in _medical_words())
    ):
        return True
    end, other_end = _last_part(word, table["ends"]), _last_part(other, table["ends"])
    if end and end == other_end and len(end) >= _END:  # what differs must then be in the stems
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
    forms = {word, f"{word}s"}
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            stem = word.removesuffix(ending)
            forms |= {stem, f"{stem}e"} if ending in ("ed", "ing") else {stem}
    return not forms.isdisjoint(known)


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
    return tomllib.loads((files("radseek.retrieval.language") / "spelling.toml").read_text("utf-8"))


@cache
def _catalogue_words() -> frozenset[str]:
    return frozenset(word for term in terms() for word in _WORD.findall(term) if word.isascii() and len(word) > 3)


@cache
def _candidates() -> Mapping[str, str]:
    """Return what a word may be a slip of, and how that is written; two words of a term also as one."""
    words = _catalogue_words() | set(_table()["words"].split())
    found = {word: word for word in words if len(word) >= _SHORTEST}
    for term in terms():
        parts = term.split()
        if term.isascii():
            for size in (2, len(parts)):
                for start in range(len(parts) - size + 1):
                    some = parts[start : start + size]
                    if size > 1 and len("".join(some)) > 2 * _END:
                        found.setdefault("".join(some), " ".join(some))
    return found


@cache
def _known_words() -> frozenset[str]:
    tokenizer = json.loads((files("radseek.retrieval.encoders") / "builtin" / "tokenizer.json").read_text("utf-8"))
    plain = {word for word in tokenizer["model"]["vocab"] if word.isalpha()} | _clip_words()
    return frozenset(plain) | _medical_words()


@cache
def _medical_words() -> frozenset[str]:
    every = {word for term in terms() for word in _WORD.findall(term)}
    return frozenset(every | set(_table()["words"].split()))


def _clip_words() -> set[str]:
    """Return the whole words of CLIP's byte-pair vocabulary, which open_clip need not be imported for; none without."""
    package = importlib.util.find_spec("open_clip")
    places = list(package.submodule_search_locations or ()) if package is not None else []
    path = Path(places[0]) / "bpe_simple_vocab_16e6.txt.gz" if places else Path()
    if not path.is_file():
        return set()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        merges = ("".join(line.split()) for line in itertools.islice(file, 1, _MERGES))
        return {one.removesuffix("</w>") for one in merges if one.endswith("</w>") and one[:-4].isalpha()}


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
