"""What a sentence says of findings by calling an organ normal or changed: "heart size is normal"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from radseek.prompts.report_words import OrganWords, report_words
from radseek.retrieval.language.finding_mentions import spaced
from radseek.retrieval.language.polarity import Judged, judge

__all__ = ["organ_statements"]

_LIMIT = (
    r"(?:at\s+)?(?:the\s+)?upper\s+(?:limits?\s+(?:of\s+)?)?(?:of\s+)?normal(?:\s+limits?)?|(?:upper|high|top)[\s-]+normal|"
    r"normal\s+upper\s+limits?|borderline|临界|饱满"
)
_NORMAL = (
    r"(?<!not )(?:normal(?:ly)?|within\s+(?:the\s+)?(?:normal\s+)?limits?|unremarkable|non[\s-]?enlarged|"
    r"not\s+enlarged|small|wnl)|(?:未见|无|不)(?:明显)?(?:异常|增大|增宽|扩大|扩张|增多|肿大)(?!的?淋巴结)|正常|不大|居中"
)
# What may stand between an organ and its state: a list of other organs, verbs, adverbs.
_STOP = re.compile(r"with|without|but|no|although|which|there|while|however|though|when|given|consistent|due|for")
_VERB = re.compile(r"is|are|was|were|appears?|remains?|has|have|demonstrates?|shows?|measures?|seems?|stable|unchanged")
_TOKEN = re.compile(r"\s*(?:(?P<comma>,)|(?P<word>[\w/'-]+))")
_REACH = 14  # words


@dataclass(frozen=True, slots=True)
class _Organ:
    finding: str
    subject: re.Pattern[str]
    state: re.Pattern[str]  # groups limit, normal, changed
    state_before: re.Pattern[str]  # the same, just before the subject
    changed_of: re.Pattern[str]  # "enlargement of the", before the subject


def organ_statements(text: str, findings: Collection[str]) -> Iterator[tuple[str, Judged]]:
    """Yield what a plain text says of these findings by the state of their organs."""
    for organ in _organs():
        if organ.finding not in findings:
            continue
        for match in organ.subject.finditer(text):
            said = _said_of(text, organ, match.start(), match.end())
            if said is not None:
                yield organ.finding, said


def _said_of(text: str, organ: _Organ, start: int, end: int) -> Judged | None:
    of = organ.changed_of.search(text[:start])
    if of is not None:
        return judge(text, *of.span("changed"))
    before = organ.state_before.search(text[:start])
    if before is not None:
        return _polarity(text, before, 0)
    at = _state_after(text, organ, end)
    if at is not None:
        return _polarity(text, at, start)
    return _shared_before(text[:start])


def _polarity(text: str, state: re.Match[str], since: int) -> Judged:
    if state["limit"]:
        return Judged("uncertain", "organ borderline", state["limit"])
    if state["normal"]:
        return Judged("absent", "organ normal", state["normal"])
    # "No mediastinal widening", "未见心影增大": the denial stands before the organ.
    noun = state["changed"].endswith(("ing", "ment", "ence")) or not state["changed"].isascii()
    return judge(text, *state.span("changed"), 0 if noun else since)


def _state_after(text: str, organ: _Organ, at: int) -> re.Match[str] | None:
    """Find the organ's state after its name; a comma ends the search once a verb has been read."""
    verb = False
    for _ in range(_REACH):
        here = re.compile(r"\s*:?\s*").match(text, at)  # "heart: normal"
        at = here.end() if here else at
        state = organ.state.match(text, at)
        if state is not None:
            return state
        token = _TOKEN.match(text, at)
        if token is None or (token["comma"] and verb) or (token["word"] and _STOP.fullmatch(token["word"])):
            return None
        verb = verb or bool(token["word"] and _VERB.fullmatch(token["word"]))
        at = token.end()
    return None


_SHARED = re.compile(r"(?<!not )\b(?:normal|unremarkable)\s+(?:\w+\s+){1,4}and\s+(?:the\s+)?(?:\w+\s+)?$")


def _shared_before(before: str) -> Judged | None:
    """Read "normal heart size and ..." as said of both."""
    shared = _SHARED.search(before)
    return Judged("absent", "organ normal", shared[0].strip()) if shared is not None else None


@cache
def _organs() -> tuple[_Organ, ...]:
    return tuple(made for words in report_words().organs for made in _made(words))


def _made(words: OrganWords) -> list[_Organ]:
    made = [_organ(words, words.subjects, words.changed)]
    return [*made, _organ(words, words.normal_only, ())] if words.normal_only else made


def _organ(words: OrganWords, subjects: tuple[str, ...], changed: tuple[str, ...]) -> _Organ:
    subject = spaced("|".join(subjects))
    change = "|".join(changed) or "(?!)"
    normal = "|".join([_NORMAL, rf"(?:no\s+longer|never|not)\s+(?:\w+ly\s+)?(?:{change})", *words.normal])
    state = rf"(?:(?P<limit>{_LIMIT})|(?P<normal>{normal})|(?P<changed>{change}))(?![a-z0-9])"
    between = r"(?:\s+(?:in|sized?|central|hilar|pulmonary|appearing|overall|the|thoracic|upper|superior|lobe)){0,3}\s+"
    return _Organ(
        words.finding,
        re.compile(rf"(?<![a-z0-9])(?:{subject})(?![a-z0-9])"),
        re.compile(state),
        re.compile(rf"(?<![a-z0-9]){state}{between}$"),
        re.compile(rf"(?<![a-z0-9])(?P<changed>{change})\s+(?:of|in)\s+(?:the\s+)?(?:\w+\s+)?$"),
    )
