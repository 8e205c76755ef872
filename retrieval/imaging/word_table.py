"""Tables of words in many languages: which of them stand in a description, the longest first, each place read once.

A table is a TOML file: language, then strength, then what is meant, then the words. A word of letters is a whole word,
unless a `*` at an end stands for further letters ("knie*", "*apparent*"); Chinese and Japanese words, and Korean ones
of two syllables or more, are found anywhere, because nothing separates them there.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import groupby
from typing import Final

__all__ = ["Meaning", "WordTable", "fold", "load_table", "readings"]

_ACCENTS: Final = re.compile("[\u0300-\u036f]")  # of Latin and Cyrillic; a kana's voicing mark is no accent
_CAMEL: Final = re.compile(r"(?<=[A-Za-z][a-z])(?=[A-Z])")  # "HeadRoutine" and "AxT1", not "cCT" or "fMRI"
_T2_STAR: Final = re.compile("([t\u0442]2) ?\\*")  # with a Latin or a Cyrillic T
_APART: Final = re.compile(r"[^\w~]+|_+")
_LIGATURES: Final = str.maketrans({"\u0153": "oe", "\u00e6": "ae", "\u301c": "~"})
_UMLAUTS: Final = str.maketrans({"\u00e4": "ae", "\u00f6": "oe", "\u00fc": "ue"})
_LONGEST: Final = 1024  # characters of a description that are read; DICOM's LO has 64
_LETTER: Final = "a-z\u00df-\u024f\u0370-\u03ff\u0400-\u04ff"
_HANGUL: Final = "\uac00-\ud7a3"
# What descriptions are written in where (0008,0005) does not say so, and pydicom took each byte for a Latin letter.
_ENCODINGS: Final = ("utf-8", "gb18030", "cp932", "big5", "cp949", "cp1251")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word stands for: a key of the table, how far it is believed (a heading of the table), its language."""

    key: str
    strength: str
    language: str


class WordTable:
    """The words of a table, compiled. `cues` of a language are the words that show that a text is written in it."""

    def __init__(self, table: Mapping[str, Mapping[str, Mapping[str, list[str]]]]) -> None:
        words: dict[str, list[Meaning]] = {}
        self._cues: dict[str, re.Pattern[str]] = {}
        for language, strengths in table.items():
            for strength, keys in strengths.items():
                for key, spelled in keys.items():
                    forms = {form for word in spelled for form in _forms(word, language)}
                    if strength == "cues":
                        self._cues[language] = re.compile("|".join(_pattern(form) for form in sorted(forms)))
                        continue
                    for form in forms:
                        words.setdefault(form, []).append(Meaning(key, strength, language))
        ordered = sorted(words, key=_place)
        self._branches = [
            _Branch([(form, tuple(words[form])) for form in alike])
            for _, alike in groupby(ordered, key=lambda form: (_edge(form, -1), form[0]))
        ]

    def find(self, text: str) -> list[Meaning]:
        """Return what the words of a folded text mean, in their order. A word that only some languages know is
        `ambiguous` in the table, and counts where the text has another word of that language.
        """
        found = list(self._read(text))
        spoken = {one[0].language for one in found if len({m.language for m in one}) == 1 and _certain(one)}
        return [meaning for one in found if (meaning := self._chosen(one, spoken, text)) is not None]

    def _read(self, text: str) -> Iterator[tuple[Meaning, ...]]:
        """Yield the meanings of each word, from left to right; the first branch that has one at a place takes it."""
        place = 0
        while place < len(text):
            branches = (branch for branch in self._branches if branch.first in (text[place], "*"))
            end, meanings = next((taken for branch in branches if (taken := branch.at(text, place))), (place + 1, ()))
            if meanings:
                yield meanings
            place = max(end, place + 1)

    def _chosen(self, meanings: tuple[Meaning, ...], spoken: set[str], text: str) -> Meaning | None:
        """The first certain meaning of a word, else its meaning in a language that the text speaks."""
        certain = [meaning for meaning in meanings if meaning.strength != "ambiguous"]
        return next(iter(certain), None) or next(
            (m for m in meanings if m.language in spoken or self._speaks(m.language, text)), None
        )

    def _speaks(self, language: str, text: str) -> bool:
        return language in self._cues and bool(self._cues[language].search(text))


class _Branch:
    """The words of one first letter, the longest first. Compiled when a text has that letter: all take 1.5 s."""

    def __init__(self, words: list[tuple[str, tuple[Meaning, ...]]]) -> None:
        self._forms = [form for form, _ in words]
        self._meanings = [meanings for _, meanings in words]
        self.first = self._forms[0][0]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = "|".join(
            f"(?:{'|'.join(f'({_plain(form[1:])})' for form in alike)}){edge}"  # one edge for many: each takes 0.3 ms
            for edge, alike in groupby(self._forms, key=lambda form: _edge(form, 1))
        )
        return re.compile(f"{_edge(self._forms[0], -1)}{_plain(self.first)}(?:{words})")

    def at(self, text: str, place: int) -> tuple[int, tuple[Meaning, ...]] | None:
        """Return where the word that stands at a place ends and what it means; None where none does."""
        match = self._pattern.match(text, place)
        return (match.end(), self._meanings[match.lastindex - 1]) if match and match.lastindex else None


@cache
def load_table(name: str) -> WordTable:
    """Return the table in the file `name` of this package, read once."""
    return WordTable(tomllib.loads((files("radseek.retrieval.imaging") / name).read_text(encoding="utf-8")))


def fold(text: str) -> str:
    """Return a text as the tables know it: full-width forms made narrow, no capitals, no accents, one space between
    words, "HeadRoutine" and "HEAD_ROUTINE" as two words, "T2*" as "t2star".

    >>> fold("TC_CRÁNEO/Cuello"), fold("ﾏﾝﾓｸﾞﾗﾌｨ")
    ('tc craneo cuello', 'マンモグラフィ')
    """
    text = _CAMEL.sub(" ", unicodedata.normalize("NFKC", text)).casefold().translate(_LIGATURES)
    text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return _APART.sub(" ", _T2_STAR.sub(r"\1star ", text)).strip()


def readings(text: str) -> Iterator[str]:
    """Yield a text folded, as it is, and then as it reads in other character sets if it may be in one of them.

    BodyPartExamined is a code string, which pydicom reads as Latin-1 whatever SpecificCharacterSet says
    (PS3.5 6.1.2.3), and other texts are when that tag is missing. Two bytes beyond ASCII in a row are no Latin word.
    """
    text = text[:_LONGEST]
    yield fold(text)
    if re.search("[\u0080-\u00ff]{2}", text) and max(text) <= "\u00ff":
        stored = text.encode("latin-1")
        yield from dict.fromkeys(fold(stored.decode(encoding, "ignore")) for encoding in _ENCODINGS)


def _certain(meanings: Iterable[Meaning]) -> bool:
    return all(meaning.strength != "ambiguous" for meaning in meanings)


def _forms(word: str, language: str) -> set[str]:
    """A word folded; German also with its umlauts written out, as scanners without them write it."""
    written = [word, word.casefold().translate(_UMLAUTS)] if language == "de" else [word]
    ends = "*" if word.endswith("*") else "", "*" if word.startswith("*") else ""
    return {f"{ends[1]}{_fold_word(form)}{ends[0]}" for form in written}


def _fold_word(word: str) -> str:
    """Fold a table's word and keep the `*` that end its inner words ("голов* мозг*")."""
    return " ".join("*".join(fold(part) for part in inner.split("*")) for inner in word.split()).strip("*")


def _place(form: str) -> tuple[str, bool, str, int, str]:
    """Words of one first letter together, the longest first; endings ("*gelenk") after all that begin with a letter."""
    return _edge(form, -1), form[0] == "*", form[0], -len(form.replace("*", "")), form


def _pattern(form: str) -> str:
    return f"{_edge(form, -1)}{_plain(form)}{_edge(form, 1)}"


def _plain(form: str) -> str:
    return "".join(f"[{_LETTER}]*" if letter == "*" else re.escape(letter) for letter in form)


def _edge(form: str, side: int) -> str:
    """No letter may stand beside a letter, no digit beside a digit, no syllable beside a lone Korean one."""
    last = form[0] if side < 0 else form[-1]
    alike = next((kind for kind in (_LETTER, "0-9") if re.match(f"[{kind}*]", last)), "")
    if len(form) == 1 and re.match(f"[{_HANGUL}]", form):
        alike = _HANGUL
    return f"(?{'<' if side < 0 else ''}![{alike}])" if alike else ""
