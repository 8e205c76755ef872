"""Every rule over one sentence: it is kept only where none finds a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.explain.checker.added_words import word_failures
from radseek.retrieval.explain.checker.cues import cue_failures
from radseek.retrieval.explain.checker.entities import Marked, mark, names_of
from radseek.retrieval.explain.checker.finding_status import profile
from radseek.retrieval.explain.checker.numbers import in_order, number_failures, quantities
from radseek.retrieval.explain.checker.surface import surface_failures
from radseek.retrieval.explain.claims import Claim, cited
from radseek.retrieval.explain.evidence import AgreementItem, Evidence, Item, Lang, ScoreItem, SentenceItem

__all__ = ["Failure", "check"]

_REGIONAL = ("measurement", "change")  # parts that are about a marked region
_COUNTED = ("measurement", "change", "reports")  # parts whose numbers are what is said


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a sentence is not kept: a stable `rule`, and what broke it.

    Rules: `unknown_id`, `empty`, `length`, `sentences`, `language`, `hidden`, `url`, `markup`, `finding`, `view`,
    `polarity`, `certainty`, `number`, `order`, `laterality`, `direction`, `source`, `advice`, `new_name`, `word`.
    """

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def check(sentence: str, claim: Claim, evidence: Evidence, lang: Lang) -> tuple[Failure, ...]:
    """Return every fault of a sentence that is to say what `claim` says, in `lang`; () where it may be kept.

    The claim's own text is what the evidence allows; the sentence may say it otherwise and may not say more. It has
    to name the claim's findings and no others, each with the claim's polarity, and only numbers, sides, views and
    words of the claim or words that say nothing of a patient.
    """
    return tuple(dict.fromkeys(Failure(rule, detail) for rule, detail in _faults(sentence, claim, evidence, lang)))


def _faults(sentence: str, claim: Claim, evidence: Evidence, lang: Lang) -> Iterator[tuple[str, str]]:
    try:
        items = cited(claim, evidence)
    except UnknownNameError as error:
        yield "unknown_id", str(error)
        return
    if not claim.cites:
        yield "unknown_id", "the claim cites nothing"
    label = claim.about if claim.part in _REGIONAL else ""
    plain, own = (_without(text, label) for text in (sentence, claim.text))
    yield from surface_failures(plain, own, lang)
    if "zq" in sentence.casefold():  # how things named are marked from here on
        yield "word", "zq"
        return
    names = names_of(items)
    said, meant = (mark(text, names, label, lang) for text in (sentence, claim.text))
    yield from _named(said, meant, claim, items)
    yield from _profiles(said, meant, lang)
    yield from cue_failures(said.text, meant.text, claim, _statuses(meant, lang), lang)
    yield from number_failures(said.text, meant.text, lang, all_needed=claim.part in _COUNTED)
    yield from _paired(said, meant, lang)
    yield from word_failures(said.text, meant.text, claim.part, _statuses(meant, lang), lang)


def _without(text: str, label: str) -> str:
    return text.replace(label, "region") if label else text


def _named(said: Marked, meant: Marked, claim: Claim, items: Sequence[Item]) -> Iterator[tuple[str, str]]:
    """Yield what is named and is not the claim's, or is the claim's and is not named."""
    for one in said.keys("i"):
        if one not in claim.cites:
            yield "unknown_id", one
    known = _findings_of(items) | set(meant.keys("f"))
    for one in said.keys("f"):
        if one not in known:
            yield "finding", f"{one} is not in what is cited"
    for one in sorted(set(meant.keys("f")) - set(said.keys("f"))):
        yield "finding", f"{one} is left out"
    for one in sorted(set(said.keys("v")) - set(meant.keys("v"))):
        yield "view", one
    if meant.keys("l") and not said.keys("l"):
        yield "finding", f"the region {claim.about!r} is left out"


def _findings_of(items: Sequence[Item]) -> set[str]:
    named = {one.finding for one in items if isinstance(one, ScoreItem | AgreementItem)}
    return named | {said.finding for one in items if isinstance(one, SentenceItem) for said in one.says}


def _statuses(meant: Marked, lang: Lang) -> frozenset[str]:
    return frozenset(status for _, status in profile(meant, lang))


def _profiles(said: Marked, meant: Marked, lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield each finding of which the sentence says what the claim does not."""
    own = set(profile(meant, lang))
    for finding, status in profile(said, lang):
        if (finding, status) not in own:
            yield "polarity", f"{finding} is said to be {status}"


def _paired(said: Marked, meant: Marked, lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield a fault where several findings and their numbers are not in the claim's order and may be mixed up."""
    if len(meant.keys("f")) > 1 and quantities(meant.text, lang) and in_order(said, lang) != in_order(meant, lang):
        yield "order", "findings and numbers are not in the claim's order"
