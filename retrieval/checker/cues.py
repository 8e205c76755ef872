"""Cues that would change what a sentence says: denial, doubt, certainty, sides, direction, source, advice."""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.checker.entities import TOKEN
from retrieval.checker.lexicon import count, cue
from retrieval.checker.stance import plain_cues
from retrieval.claims import Claim
from retrieval.evidence import Lang

__all__ = ["cue_failures"]

_SIDES = ("left", "right", "bilateral", "midline")
_DIRECTIONS = ("up", "down", "same")
_LIKELY = ("hedge", "unlikely", "probability")
_ANCHORS = ("case_word", "study_word", "prior_word")


def cue_failures(said: str, meant: str, claim: Claim, stances: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield a failure for each cue of a marked sentence that its claim does not have, or lacks."""
    said, meant = TOKEN.sub(" it ", said) if lang == "en" else said, TOKEN.sub(" it ", meant) if lang == "en" else meant
    yield from _denial(said, meant, stances, lang)
    yield from _certainty(said, meant, stances, lang)
    if not _within([name for name, _ in _sides(said, lang)], [name for name, _ in _sides(meant, lang)]):
        yield "laterality", ", ".join(word for _, word in _sides(said, lang))
    for name in _DIRECTIONS:
        if count(name, said, lang) and not count(name, meant, lang):
            yield "direction", name
    if any(count(name, meant, lang) for name in _DIRECTIONS) and not any(count(n, said, lang) for n in _DIRECTIONS):
        yield "direction", "left out"
    if count("cases", meant, lang) and claim.part in ("reports", "neighbours") and not count("cases", said, lang):
        yield "source", "whose reports or images these are is left out"
    if claim.part in ("neighbours", "change") and not _within(_anchors(said, lang), _anchors(meant, lang)):
        yield "order", "this study and another are not in the claim's order"
    for word in cue("advice", lang).findall(said):
        yield "advice", word
    known = [one.lower() for one in cue("quantifier", lang).findall(meant)]
    for word in cue("quantifier", lang).findall(said):
        if word.lower() not in known:
            yield "number", word


def _denial(said: str, meant: str, stances: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    own, known = (_count_plain("deny", text, lang) for text in (said, meant))
    if stances == {"absent"}:
        if not own:
            yield "polarity", "the denial is left out"
        if count("twice_denied", said, lang) > count("twice_denied", meant, lang):
            yield "polarity", "a denial of a denial"
    elif own > known or (known and not own and not stances):
        yield "polarity", "a denial that is not the claim's"
    if count("doubt", said, lang) and not count("doubt", meant, lang) and "uncertain" not in stances:
        yield "polarity", "a doubt that is not the claim's"
    if stances <= {"uncertain", "unjudged"} and stances:
        own, known = (count("hedge", text, lang) + count("assert", text, lang) for text in (said, meant))
        if own > known and not count("doubt", said, lang):
            yield "polarity", "an assertion that is not the claim's"


def _certainty(said: str, meant: str, stances: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    for word in cue("certain", lang).findall(said):
        if word not in cue("certain", lang).findall(meant):
            yield "certainty", word
    own, known = (sum(count(name, text, lang) for name in _LIKELY) for text in (said, meant))
    if stances & {"present", "absent"} and known and not own:
        yield "certainty", "what is likely is said to be so"


def _count_plain(name: str, text: str, lang: Lang) -> int:
    return count(name, plain_cues(text, lang), lang)


def _sides(text: str, lang: Lang) -> list[tuple[str, str]]:
    """Return the sides that a sentence names, in order; of overlapping words the longer counts."""
    found = [(m.start(), -len(m[0]), name, m[0]) for name in _SIDES for m in cue(name, lang).finditer(text)]
    return [(name, word) for _, _, name, word in sorted(found)]


def _anchors(text: str, lang: Lang) -> list[str]:
    found = [(match.start(), name) for name in _ANCHORS for match in cue(name, lang).finditer(text)]
    return [name for _, name in sorted(found)]


def _within(own: list[str], known: list[str]) -> bool:
    """Say whether one sequence is part of another, in order."""
    remaining = iter(known)
    return all(any(one == other for other in remaining) for one in own)
