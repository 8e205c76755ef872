"""Does a sentence say that a finding is there, that it is not, or that it may be? By rules, English and Chinese.

In the manner of NegEx: words that deny or doubt, before or after the finding, reach to the end of their clause. The
words are data, in `polarity_cues.toml`. What names a finding in a report, beyond the words given, is
`radseek.retrieval.language.report_findings`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from radseek.retrieval.language.polarity_cues import (
    ALTERNATIVE_AFTER,
    ALTERNATIVE_BEFORE,
    DEGREES,
    DIFFERENTIAL,
    SIZED,
    cues,
)
from radseek.retrieval.language.report_text import plain_text

__all__ = ["Judged", "Polarity", "flipped", "judge", "opposite", "polarity", "strongest", "weightiest"]

Polarity = Literal["present", "absent", "uncertain"]
_STRENGTH: tuple[Polarity, ...] = ("present", "uncertain", "absent")
_FLIPPED: dict[Polarity, Polarity] = {"present": "absent", "absent": "present", "uncertain": "uncertain"}
_BLANK: Final = "#"

# The kinds of cue in the order in which they are weighed, what each says, and where it is looked for: the `reach`
# (the clause before a finding), `after` (the clause behind it), or the `rest` of the sentence behind it.
_WEIGHED: tuple[tuple[str, Polarity, str], ...] = (
    ("answered_no", "absent", "rest"),
    ("answered_yes", "present", "rest"),
    ("open_before", "uncertain", "reach"),
    ("open_after", "uncertain", "own rest"),
    ("denied_before", "absent", "reach"),
    ("denied_inside", "absent", "name"),
    ("denied_after", "absent", "own"),
    ("denied_list_after", "absent", "list"),
    ("doubted_before", "uncertain", "reach"),
    ("doubted_after", "uncertain", "after"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a mention, the name of the cue that decided, and its words; both empty where none was needed."""

    polarity: Polarity
    rule: str = ""
    words: str = ""


def polarity(sentence: str, terms: Iterable[str]) -> Polarity | None:
    """Return what a sentence says of the finding that `terms` name, or None where it does not name it.

    Where it is named more than once, present outweighs uncertain and uncertain outweighs absent.

    >>> polarity("No pneumothorax or effusion, small nodule.", ["effusion"])
    'absent'
    >>> polarity("No pneumothorax, small effusion.", ["effusion"])
    'present'
    >>> polarity("不能排除气胸。", ["气胸"])
    'uncertain'
    """
    text = plain_text(sentence)
    found = _pattern(tuple(terms)).finditer(text)
    return strongest(judge(text, match.start(), match.end()).polarity for match in found)


def strongest(said: Iterable[Polarity]) -> Polarity | None:
    """Return what outweighs the rest: present, then uncertain, then absent; None for nothing said.

    >>> strongest(["absent", "uncertain"])
    'uncertain'
    """
    found = set(said)
    return next((value for value in _STRENGTH if value in found), None)


def weightiest(judged: Iterable[Judged]) -> Judged | None:
    """Return the first of those whose polarity outweighs the rest; None for none."""
    return min(judged, key=lambda one: _STRENGTH.index(one.polarity), default=None)


def opposite(one: Polarity | None, other: Polarity | None) -> bool:
    """Say whether one says present and the other absent."""
    return {one, other} == {"present", "absent"}


def flipped(said: Polarity) -> Polarity:
    """Return the opposite: absent for present, present for absent; uncertain stays."""
    return _FLIPPED[said]


def judge(text: str, start: int, end: int, since: int = 0) -> Judged:
    """Judge the mention at `text[start:end]`, by its clause before it and after it.

    `text` is as `plain_text` gives it; words before `since` are not read.

    >>> text = "the effusion has been drained"
    >>> judge(text, 4, 12)
    Judged(polarity='absent', rule='gone', words='has been drained')
    """
    blanked = _without_harmless(text)
    before, rest = blanked[since:start], blanked[end:]
    reach = _reach(before)
    following = cues("clause_end").pattern.search(rest)
    after = rest[: following.start() if following else None]
    is_owned = cues("owner_before").pattern.search(reach) is not None
    is_denial = cues("denied_before").pattern.match(text, start) is not None  # "no acute disease or ..." is certain
    parts = {
        "reach": reach,
        "after": after,
        "rest": rest,
        "name": "" if is_denial else blanked[start:end],
        "own": "" if is_owned else after,
        "own rest": "" if is_owned else rest,
        # A mark behind a list counts for bare names only: "small effusion, pneumothorax: none".
        "list": "" if SIZED.search(reach) else after,
    }
    for kind, said, part in _WEIGHED:
        found = _found(kind, parts[part])
        if found is not None:
            return Judged(said, *found)
    listed = DIFFERENTIAL.search(before)
    if listed is not None:
        return Judged("uncertain", "differential", "differential")
    if not is_denial and _is_alternative(reach, after):
        return Judged("uncertain", "alternative", "or")
    return Judged("present", *_harmless(text, start - len(reach), end + len(after)))


def _found(kind: str, part: str) -> tuple[str, str] | None:
    """Return the name and the words of the cue of a kind that stands in its part of the sentence."""
    known = cues(kind)
    match = known.pattern.search(part) if kind.endswith(("_before", "_inside")) else known.pattern.match(part)
    if match is None:
        return None
    return known.name_of(match[0], match.start(), part), match[0].strip(" ,")


def _harmless(text: str, start: int, end: int) -> tuple[str, str]:
    """Return the name and the words of a cue in the clause that denies something else than the finding, or nothing."""
    known = cues("harmless")
    match = next((one for one in known.pattern.finditer(text) if one.start() < end and one.end() > start), None)
    return (known.name_of(match[0], match.start(), text), match[0].strip(" ,")) if match else ("", "")


def _reach(before: str) -> str:
    """Cut what precedes a mention down to what its clause says of it."""
    breaks = [match.end() for match in cues("clause_end").pattern.finditer(before)]
    reach = before[breaks[-1] if breaks else 0 :]
    new = [match.start() for match in cues("new_thing").pattern.finditer(reach)]
    return reach[new[-1] :].lstrip(",") if new else reach


def _is_alternative(reach: str, after: str) -> bool:
    """Say whether a mention is one side of an "or"."""
    if ALTERNATIVE_AFTER.match(after):
        return True
    choice = ALTERNATIVE_BEFORE.search(reach)
    return choice is not None and choice["first"] not in DEGREES


@lru_cache(maxsize=64)
def _without_harmless(text: str) -> str:
    return cues("harmless").pattern.sub(lambda match: _BLANK * len(match[0]), text)


@lru_cache(maxsize=1024)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    words = sorted({plain_text(term).strip() for term in terms if term.strip()}, key=len, reverse=True)
    if not words:
        return re.compile(r"(?!)")
    return re.compile("|".join(_word(word) for word in words))


def _word(word: str) -> str:
    spaced = r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", word))
    if re.match(r"[a-z0-9]", word):
        return rf"(?<![a-z0-9]){spaced}(?:s|es)?(?![a-z0-9])"
    return spaced
