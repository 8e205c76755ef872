"""What somebody typed into a search: words, or quoted words added and taken away; and what it wants said."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import find, translate
from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import terms
from radseek.prompts.word_errors import PromptError
from radseek.retrieval.errors import UsageError
from radseek.retrieval.language.polarity import Polarity, flipped, opposite, polarity
from radseek.retrieval.language.polarity_cues import cues
from radseek.retrieval.language.report_findings import denies_only, findings_in
from radseek.retrieval.language.report_language import unread_language
from radseek.retrieval.language.report_text import plain_text
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["Term", "TextQuery", "Want", "findings_asked", "parse_query", "query_vector", "similarity_floor"]

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "＂": '"', "＋": "+", "－": "-", "−": "-", "–": "-"})
_TERM = re.compile(r'\s*([+-]?)\s*"([^"]*)"\s*')
_ALGEBRA = re.compile(r'^\s*[+-]?\s*"|[+-]\s*"')
# What may stand around the thing itself in a query for words that no catalogue has: "there is no evidence of ...".
_FILLER = re.compile(
    r"(?:there|is|are|was|were|has|have|does|do|patient|study|any|longer|an?|the|evidence|signs?|of|for)(?![a-z])\s*"
    r"|(?:明显|明确)"
)
_MARKS = " .?!,:;。？！，：；"
# Findings of different organs: most are far from any query.
_UNRELATED = (
    *("pleural effusion", "intracranial haemorrhage", "kidney stone", "rib fracture", "brain tumour"),
    *("cardiomegaly", "gallstones", "pacemaker", "liver cyst"),
)
_UNIT = re.compile(
    r"[\u3400-\u9fff](?=([\u3400-\u9fff]))|[a-z0-9]+"
)  # two Chinese characters, or a word of another script
_ENOUGH = 1e-6  # length under which a sum of vectors has no direction left


@dataclass(frozen=True, slots=True)
class Term:
    """One text of a query and its weight, 1 or -1."""

    text: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Want:
    """A finding that the query names, by all its words, and what the query says of it."""

    words: tuple[str, ...]
    polarity: Polarity
    finding: Finding | None = None  # of the catalogue, or None for words that it does not have

    def said_by(self, sentence: str) -> Polarity | None:
        """Return what a sentence says of it, None where it is not named."""
        if self.finding is None:
            return polarity(sentence, self.words) if unread_language(sentence) is None else None
        return next((said.polarity for said in findings_in(sentence, (self.finding,))), None)

    def shares_words(self, sentence: str) -> bool:
        """Say whether more than half of words that no catalogue has stand in a sentence, in any order."""
        if self.finding is not None:
            return False
        wanted = {unit for one in self.words for unit in _units(one)}
        return len(wanted & _units(plain_text(sentence))) > len(wanted) / 2


@dataclass(frozen=True, slots=True)
class TextQuery:
    """A parsed query."""

    terms: tuple[Term, ...]
    wants: tuple[Want, ...]

    @property
    def words(self) -> str:
        """Return the words to find, for keyword search: of the terms that are added, Chinese ones in English too."""
        added = [term.text for term in self.terms if term.weight > 0]
        return " ".join(dict.fromkeys([*added, *map(translate, added)]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the catalogue's findings that the added terms name, in their order."""
        named = (finding for term in self.terms if term.weight > 0 for finding in _named(term.text))
        return tuple({finding.name: finding for finding in named}.values())

    def polarity_of(self, sentence: str) -> Polarity | None:
        """Return what a sentence says of the first of the query's findings that it names."""
        said = (want.said_by(sentence) for want in self.wants)
        return next((value for value in said if value is not None), None)

    def is_answered_by(self, sentence: str, is_near: bool) -> bool:
        """Say whether a sentence answers the query; `is_near`: whether its words lie near to the query's.

        One that names what is asked answers, unless it says the opposite. One that does not must be near, or hold most
        of words that no catalogue has, and must not deny something else where the query asks what is there.
        """
        if not self.wants:
            return True
        said = [(want, want.said_by(sentence)) for want in self.wants]
        if any(opposite(want.polarity, value) for want, value in said):
            return False
        if any(value is not None for _, value in said):
            return True
        asks_what_is_there = any(want.polarity != "absent" for want in self.wants) and not self.is_of_nothing
        is_near = is_near or any(want.shares_words(sentence) for want in self.wants)
        return is_near and not (asks_what_is_there and denies_only(sentence))

    @property
    def is_of_nothing(self) -> bool:
        """Say whether the query itself asks for what is normal: "the lungs are clear"."""
        return any(denies_only(term.text) for term in self.terms if term.weight > 0)

    def is_denied_by(self, sentence: str) -> bool:
        """Say whether a sentence says the opposite of what the query says of any finding."""
        return any(opposite(want.polarity, want.said_by(sentence)) for want in self.wants)


def parse_query(text: str) -> TextQuery:
    """Read a query: plain words, or quoted texts with `+` and `-` between them.

    Raises `UsageError` for an empty query or quotes that do not pair up.

    >>> parse_query('"effusion" + "pacemaker" - "pneumothorax"').terms[2]
    Term(text='pneumothorax', weight=-1)
    """
    plain = text.translate(_QUOTES)
    found = _algebra(plain) if _ALGEBRA.search(plain) else (Term(" ".join(text.split())),)
    if not any(normalise(term.text) for term in found):
        raise UsageError("The query has no words; write what to look for, as in 'pleural effusion'.")
    return TextQuery(found, tuple(want for term in found for want in _wants(term)))


def query_vector(query: TextQuery, text_vectors: TextVectors) -> NDArray[np.float32]:
    """Return the `(D,)` unit vector of a query: the weighted sum of its terms' unit vectors, made unit again.

    Raises `UsageError` where the terms cancel each other out.
    """
    if len(query.terms) == 1 and query.terms[0].weight == 1:
        return text_vectors.text(query.terms[0].text)
    total = np.sum([term.weight * text_vectors.text(term.text).astype(np.float64) for term in query.terms], axis=0)
    length = float(np.linalg.norm(total))
    if length < _ENOUGH:
        raise UsageError("The query takes away everything it asks for; leave one of its terms out.")
    vector: NDArray[np.float32] = (total / length).astype(np.float32)
    return vector


def similarity_floor(vector: NDArray[np.floating], text_vectors: TextVectors) -> float:
    """Return the cosine from which words lie near to a query's: half way from unrelated findings' to the query's own.

    `vector`: the query's `(D,)`. Encoders differ in how alike all words are to them, so the floor is measured.
    """
    unrelated = np.median([float(text_vectors.text(text) @ vector) for text in _UNRELATED])
    return float(1 + unrelated) / 2


def findings_asked(query: TextQuery) -> tuple[Finding, ...]:
    """Return the findings that a query names, denied or not; else its words as findings, where they can be one."""
    if query.findings:
        return tuple(query.findings)
    found: list[Finding] = []
    for term in (one for one in query.terms if one.weight > 0):
        with suppress(PromptError):  # denied words of no catalogue are no finding
            found.append(find(term.text))
    return tuple(found)


def _algebra(text: str) -> tuple[Term, ...]:
    found: list[Term] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (found and not match[1]) or not match[2].strip():
            raise UsageError(
                f"The query cannot be read at '{text[at : at + 20]}'; put every text in quotes with + or - between "
                'them, as in "effusion" + "pacemaker" - "pneumothorax".'
            )
        found.append(Term(" ".join(match[2].split()), -1 if match[1] == "-" else 1))
        at = match.end()
    return tuple(found)


def _wants(term: Term) -> list[Want]:
    named = ((finding, polarity(term.text, finding.terms)) for finding in _named(term.text))
    found = [Want(finding.terms, said, finding) for finding, said in named if said is not None]
    core = "" if found else _core(term.text)
    if core and (said := polarity(term.text, (core,))):
        found = [Want((core,), said)]
    return [want if term.weight > 0 else replace(want, polarity=flipped(want.polarity)) for want in found]


def _core(text: str) -> str:
    """Return the words of a query without the cues that deny or doubt them, before and after."""
    rest = plain_text(text).strip(_MARKS)
    while rest and (end := _ahead(rest)):
        rest = rest[end:].strip()
    ends = (match.end() for match in re.finditer(r"\w+", rest))
    end = next((end for end in ends if _is_denied_from(rest[end:])), len(rest))
    return rest[:end].strip(_MARKS)


def _units(text: str) -> set[str]:
    return {match[0] + (match[1] or "") for match in _UNIT.finditer(text)}


def _ahead(rest: str) -> int:
    """Return where a cue or a filling word at the start of the text ends, 0 where there is none."""
    patterns = (_FILLER, *(cues(kind).pattern for kind in ("open_before", "denied_before", "doubted_before")))
    return max(match.end() if (match := pattern.match(rest)) else 0 for pattern in patterns)


def _is_denied_from(rest: str) -> bool:
    return any(cues(kind).pattern.match(rest) is not None for kind in ("answered_no", "denied_after") if rest)


@lru_cache(maxsize=1024)
def _named(text: str) -> tuple[Finding, ...]:
    """Return the catalogue's findings that a text names, the longest words at each place."""
    known = terms()
    named = (known[match[0]] for match in _any_term().finditer(normalise(plain_text(text))))
    return tuple({finding.name: finding for finding in named}.values())


@cache
def _any_term() -> re.Pattern[str]:
    ordered = sorted(terms(), key=len, reverse=True)
    latin = [re.escape(t) for t in ordered if re.match(r"[a-z0-9]", t)]
    other = [re.escape(t) for t in ordered if not re.match(r"[a-z0-9]", t)]
    # The match itself is a term; a plural's ending stays outside it.
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(latin)})(?=(?:s|es)?(?![a-z0-9]))|{'|'.join(other) or '(?!)'}")
