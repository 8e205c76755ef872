"""A grammar for rewording: whole phrases of the claim, each no more often than there, linked by neutral words.

What carries the meaning (numbers with their units, findings with their negation, sides, states) is a required phrase:
it stays in one piece and the sentence cannot end without it. So even a small model can only reorder and relink. The
grammar is over token ids, so any runtime that lets a function choose the allowed tokens can use it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["SLACK", "Phrase", "PhraseGrammar", "phrases"]

SLACK = 8  # tokens that a rewording may have more than its claim between the delimiters

# Words that say nothing of their own about a finding.
_NEUTRAL = (
    *("the", "a", "an", "of", "in", "on", "at", "to", "by", "with", "for", "from", "and", "that", "which", "its"),
    *("is", "are", "was", "were", "has", "have", "as", "there", "where"),
)
_NEUTRAL_MOST = 2
_NUMBER = r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?:\s?%|\s(?:mm|cm|ml|HU|SUV|g/ml)\b)?"
_OF = rf"(?:(?:none|all|one|both|{_NUMBER})\s+of\s+(?:the\s+)?{_NUMBER})"
_ID = r"\b[A-Z]\d+\b"
_SURE = r"(?:likely|unlikely|possible|possibly|probable|uncertain|doubtful|insufficient)"
_STATE = r"(?:present|absent|normal|judged|calibrated|drawn|used|seen|valid|unchanged)"
_NEGATION = r"\b(?:no|not|none|never|without|neither|nor|cannot|free of|absence of)\b"
_SIDE = r"\b(?:left|right|bilateral|midline|mid-line)\b(?:\s+(?:side|lung|kidney|lobe|breast|hemisphere)\b)?"
_OTHER = r"\b(?:more|less|fewer|only|above|below|before|after|increased|decreased|unchanged|longest|short|mean)\b"
_WORD = re.compile(r"[^\s,;:()\"]+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stay together: at most `most` times in the sentence, and at least as often if `required`."""

    text: str
    most: int
    required: bool


def phrases(text: str, terms: Iterable[str] = ()) -> tuple[Phrase, ...]:
    """Return what a sentence that rewords `text` is made of; `terms` are the names of findings that stay whole.

    >>> [one.text for one in phrases("No pneumothorax is seen on slice 4.", ["pneumothorax"]) if one.required]
    ['no pneumothorax', 'slice 4']
    """
    rest = _lower_first(text.rstrip(" .。"))
    found: list[str] = []
    for pattern in _patterns(terms):
        found += [match[0] for match in pattern.finditer(rest)]
        rest = pattern.sub(" , ", rest)
    kept = Counter(found)
    words = Counter(_WORD.findall(rest))
    free = [one for one in words if one not in kept and one not in _NEUTRAL]
    return (
        *(Phrase(one, most, required=True) for one, most in kept.items()),
        *(Phrase(one, words[one], required=False) for one in free),
        *(Phrase(one, _NEUTRAL_MOST, required=False) for one in _NEUTRAL if one not in kept),
    )


def _patterns(terms: Iterable[str]) -> list[re.Pattern[str]]:
    """Return what stays whole, the longest kind first: what one has taken, the next does not see."""
    names = "|".join(re.escape(term) for term in sorted(set(terms), key=len, reverse=True) if term) or r"(?!)"
    name = rf"(?<![\w-])(?:{names})(?![\w-])"
    patterns = (
        rf"{name}\s+(?:\({_OF}\)|{_NUMBER})",
        r"\([^()]*\)",
        r"(?<!\w)'[^']+'(?!\w)",
        rf"{_NEGATION}(?:\s+[\w-]+){{0,3}}?\s+{name}",
        name,
        rf"{_OF}(?:\s+similar\s+cases)?",
        rf"\bfrom\s+{_NUMBER}\s+to\s+{_NUMBER}|{_NUMBER}\s+to\s+{_NUMBER}",
        rf"\b[xyz]\s+{_NUMBER}",
        rf"\b(?:slice|case|study)\s+(?:{_NUMBER}|{_ID})",
        rf"(?:\b(?:more|less|fewer|above|below)\s+(?:than\s+)?)?{_NUMBER}",
        _ID,
        rf"{_NEGATION}\s+{_STATE}\b|\b{_SURE}(?:\s+{_STATE})?\b|\b(?:present|absent)\b",
        _NEGATION,
        _SIDE,
        _OTHER,
    )
    return [re.compile(pattern, re.IGNORECASE) for pattern in patterns]


@dataclass(frozen=True, slots=True)
class _State:
    """One reading of what was said: how often each phrase was, and the tokens still due of the one being said."""

    used: tuple[int, ...]
    due: tuple[int, ...] = ()
    comma: bool = False


class PhraseGrammar:
    """Which tokens may follow. `encode` gives a text's token ids, `end` ends the answer, `limit` is its most tokens."""

    def __init__(
        self, allowed: Sequence[Phrase], encode: Callable[[str], Sequence[int]], *, end: int, limit: int
    ) -> None:
        self._phrases = tuple(allowed)
        self._opening = [tuple(encode(one.text[:1].upper() + one.text[1:])) for one in allowed]
        self._inner = [tuple(encode(" " + one.text)) for one in allowed]
        self._comma, self._stop = tuple(encode(",")), tuple(encode("."))
        self._end = end
        self._limit = limit
        self._last: tuple[tuple[int, ...], frozenset[_State]] = ((), frozenset({_State((0,) * len(self._phrases))}))
        self._start = self._last

    def allowed(self, said: Sequence[int]) -> list[int]:
        """Return the token ids that may follow those said; the end alone where nothing else may."""
        states = self._states(tuple(said))
        tokens = {form[0] for state in states for form, _ in self._steps(state, len(said))}
        return sorted(tokens) or [self._end]

    def _states(self, said: tuple[int, ...]) -> frozenset[_State]:
        before, states = self._last
        if said[: len(before)] != before:
            before, states = self._start
        for place in range(len(before), len(said)):
            states = frozenset(
                _State(after.used, form[1:], after.comma)
                for state in states
                for form, after in self._steps(state, place)
                if form[0] == said[place]
            )
        self._last = (said, states)
        return states

    def _steps(self, state: _State, place: int) -> list[tuple[tuple[int, ...], _State]]:
        """Return what may come next: the tokens due, and the state once the first of them is said."""
        if state.due:
            return [(state.due, state)]
        if self._ended(state):
            return []
        lacking = [i for i, one in enumerate(self._phrases) if one.required and state.used[i] < one.most]
        cost = sum(len(self._inner[i]) for i in lacking)
        hurry = place + cost + 2 * self._longest() >= self._limit
        open_to = lacking if hurry else [i for i, one in enumerate(self._phrases) if state.used[i] < one.most]
        forms = self._inner if place else self._opening
        steps = [(forms[i], _State(_one_more(state.used, i))) for i in open_to]
        if place and lacking and not state.comma and not hurry:
            steps.append((self._comma, _State(state.used, comma=True)))  # only where something must still follow
        if place and not lacking:
            steps.append((self._stop, _State((-1,) * len(state.used))))
        return steps

    def _longest(self) -> int:
        return max((len(form) for form in self._inner), default=0)

    @staticmethod
    def _ended(state: _State) -> bool:
        return -1 in state.used[:1]


def _one_more(used: tuple[int, ...], index: int) -> tuple[int, ...]:
    return (*used[:index], used[index] + 1, *used[index + 1 :])


def _lower_first(text: str) -> str:
    """Return a sentence as it goes on after a comma; "CT" and "S1" keep their capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
