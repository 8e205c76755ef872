"""What a sentence says of each finding that it names: present, absent, uncertain, or not judged."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from radseek.retrieval.explain.checker.entities import Marked
from radseek.retrieval.explain.checker.lexicon import count, cue
from radseek.retrieval.explain.checker.numbers import blanked
from radseek.retrieval.explain.evidence import Lang
from radseek.retrieval.language.polarity import polarity

__all__ = ["CaseStatus", "gathered", "plain_cues", "profile"]

CaseStatus = Literal["present", "absent", "uncertain", "unjudged"]

_TOKEN = r"zqf[a-j]+"  # noqa: S105 - not a password: what stands for a finding
_NUMBERED = rf"{_TOKEN}\s*(?:\(9 of 9\)|[(（]?\s*9[^,、;；a-z]{{0,12}}[)）]?)?"
_JOIN = r"\s*(?:,\s*and|,\s*or|,|、|，|\band\b|\bor\b|\bas\s+well\s+as\b|和|及|与|或|以及)\s*"
_LIST = re.compile(rf"{_NUMBERED}(?:{_JOIN}{_NUMBERED})+", re.IGNORECASE)
_MODAL = ("may", "might", "could")
_ABSENT = {"en": " is absent ", "zh": "无"}
_POSSIBLE = {"en": " possible ", "zh": "可能"}


def gathered(text: str, lang: Lang) -> str:
    """Return a marked sentence with each list of findings as one, so that commas part clauses only."""
    return _LIST.sub(" it ", blanked(text, lang))


def plain_cues(text: str, lang: Lang) -> str:
    """Return a blanked sentence in which doubt and denial are said in the plainest words, and hedges are taken out."""
    text = cue("said_to_be", lang).sub(" ", text)
    for name, plain in (("unjudged", _POSSIBLE), ("unlikely", _ABSENT), ("doubt", _POSSIBLE)):
        text = cue(name, lang).sub(partial(_plainer, plain[lang]), text)
    return re.sub(r"[ \t]+", " ", cue("hedge", lang).sub(" " if lang == "en" else "", text))


def _plainer(word: str, match: re.Match[str]) -> str:
    """Return the plain word; a modal verb stays, since what follows it belongs to it."""
    return match[0] if match[0].lower() in _MODAL else word


def profile(marked: Marked, lang: Lang) -> tuple[tuple[str, CaseStatus], ...]:
    """Return `(finding, status)` for each mention, in order.

    Findings in one list share what is said of the list.
    """
    text = blanked(marked.text, lang)
    plain = plain_cues(text, lang)
    unjudged, doubted = count("unjudged", text, lang) > 0, count("doubt", text, lang) > 0
    asserted = count("hedge", text, lang) + count("assert", text, lang) > 0
    found: list[tuple[str, CaseStatus]] = []
    for entity in marked.entities:
        if entity.kind != "f":
            continue
        said = polarity(_singled_out(plain, entity.token), ["zqtarget"]) or "uncertain"
        status: CaseStatus = said
        if said == "present" and doubted and not asserted:
            status = "uncertain"
        if unjudged and status in ("uncertain", "absent", "present") and not asserted:
            status = "unjudged"
        found.append((entity.key, status))
    return tuple(found)


def _singled_out(text: str, token: str) -> str:
    """Return the text with the list that holds `token`, or `token` alone, as the one thing named."""
    for group in _LIST.finditer(text):
        if re.search(rf"{token}(?![a-j])", group[0]):
            text = f"{text[: group.start()]} zqtarget {text[group.end() :]}"
            break
    else:
        text = re.sub(rf"{token}(?![a-j])", "zqtarget", text)
    return re.sub(_TOKEN, "zqother", text)
