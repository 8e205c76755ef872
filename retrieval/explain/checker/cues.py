"""Cues that would change what a sentence says: denial, doubt, certainty, sides, direction, source, advice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from radseek.retrieval.explain.checker.entities import TOKEN
from radseek.retrieval.explain.checker.finding_status import gathered, plain_cues
from radseek.retrieval.explain.checker.lexicon import count, cue
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Lang

__all__ = ["cue_failures"]

_SIDES = ("left", "right", "bilateral", "midline")
_DIRECTIONS = ("up", "down", "same")
_CLAUSE = re.compile(
    r"[,;:，；：。、]|\b(?:and|but|while|whereas|though|although|however|which)\b|而|但|且", re.IGNORECASE
)
_PRESENCE = re.compile(
    r"\bprobabilit\w+\s+(?:of|for)\s+(?:its\s+|their\s+)?(?:presence|being\s+(?:present|there))\b|存在的(?:校准)?概率"
)
_DENIED_THING = re.compile(r"\b(?:no|without)\s+(?:an?\s+)?(?:zqf[a-j]+|it)\b|(?:无|未见)(?:zqf|it)", re.IGNORECASE)
_LIKELY = ("hedge", "unlikely", "probability")
_ANCHORS = ("case_word", "study_word", "prior_word")


def cue_failures(
    said: str, meant: str, claim: Claim, statuses: frozenset[str], lang: Lang
) -> Iterator[tuple[str, str]]:
    """Yield a failure for each cue of a marked sentence that its claim does not have, or lacks."""
    yield from _denial(gathered(said, lang), gathered(meant, lang), statuses, lang)
    said, meant = (TOKEN.sub(" it " if lang == "en" else "", text) for text in (said, meant))
    yield from _certainty(said, meant, statuses, lang)
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


def _denial(said: str, meant: str, statuses: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield where denial, doubt or assertion is not as in the claim, clause by clause."""
    clauses = [_CLAUSE.split(plain_cues(_PRESENCE.sub(" ", text), lang)) for text in (said, meant)]
    denials = [[count("deny", one, lang) for one in parts] for parts in clauses]
    own, known = sum(denials[0]), sum(denials[1])
    if statuses == {"absent"}:
        if not own:
            yield "polarity", "the denial is left out"
        twice = count("twice_denied", said, lang) > count("twice_denied", meant, lang)
        if twice or max(denials[0]) > max(denials[1]) or own - len(_DENIED_THING.findall(said)) > known:
            yield "polarity", "a denial of a denial"
        if any(count("assert", one, lang) and not count("deny", one, lang) for one in clauses[0]):
            yield "polarity", "an assertion that is not the claim's"
    elif own > known or (known and not own and not statuses):
        yield "polarity", "a denial that is not the claim's"
    if count("doubt", said, lang) and not count("doubt", meant, lang) and "uncertain" not in statuses:
        yield "polarity", "a doubt that is not the claim's"
    if statuses and statuses <= {"uncertain", "unjudged"} and _asserted(said, lang) > _asserted(meant, lang):
        yield "polarity", "an assertion that is not the claim's"


def _asserted(text: str, lang: Lang) -> int:
    """Return how many assertions stand in clauses without a word of doubt."""
    clauses = [one for one in _CLAUSE.split(text) if not count("doubt", one, lang) and not count("unjudged", one, lang)]
    return sum(count("assert", one, lang) + count("hedge", one, lang) for one in clauses)


def _certainty(said: str, meant: str, statuses: frozenset[str], lang: Lang) -> Iterator[tuple[str, str]]:
    for word in cue("certain", lang).findall(said):
        if word not in cue("certain", lang).findall(meant):
            yield "certainty", word
    own, known = (sum(count(name, text, lang) for name in _LIKELY) for text in (said, meant))
    if statuses & {"present", "absent"} and known and not own:
        yield "certainty", "what is likely is said to be so"


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
