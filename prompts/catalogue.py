"""The catalogue of findings: from what somebody typed to the Finding that is meant."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import replace

from radseek.prompts.chinese import translate
from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import list_sets, load_set, terms
from radseek.prompts.word_errors import PromptError

__all__ = [
    "find",
    "free_finding",
    "list_sets",
    "literal_finding",
    "load_set",
    "resolve",
    "suggest",
    "translate",
]

MAX_FREE_LENGTH = 160  # characters of a free finding; the templates around it must stay in the context

# Worded to suit singular and plural, with and without an article.
GENERAL_PAIRS: tuple[tuple[str, str], ...] = (
    ("There is {}.", "There is no {}."),
    ("The study shows {}.", "The study does not show {}."),
    ("Evidence of {}.", "No evidence of {}."),
    ("The appearances are in keeping with {}.", "The appearances are not those of {}."),
    ("Findings suggest {}.", "Nothing here suggests {}."),
    ("Impression: {}.", "Impression: no {}."),
)

_NEGATED = re.compile(r"(no|not|without|absence of|absent|negative for|free of)\b", re.IGNORECASE)
_MARKS = " .,;:!?。，"  # not part of the words that they stand around
_ARTICLE = re.compile(r"^(a|an|the)\s+", re.IGNORECASE)


def resolve(text: str) -> Finding | None:
    """The shipped finding of which `text` is the slug, a name or a synonym, in English or Chinese; else None.

    Case, width and spacing are ignored. A finding of several sets comes with the views of them all.

    >>> resolve("  Pleural Effusion ").name, resolve("胸水").name, resolve("broken heart")
    ('pleural_effusion', 'pleural_effusion', None)
    """
    return terms().get(normalise(text))


def find(text: str) -> Finding:
    """Return the shipped finding that `text` names, or else a free one made of these words; `typed` is the text.

    Raises `PromptError` as `free_finding` does.
    """
    return replace(resolve(text) or free_finding(text), typed=" ".join(text.split()))


def free_finding(text: str) -> Finding:
    """A finding in anybody's words: the general present and absent sentences around them, in all views.

    Chinese terms of the catalogue are put into English first. Raises `PromptError` for empty or overlong
    text and for a negated one, since a finding is what may be there.
    """
    shown = " ".join(text.split())
    return _in_words(_ARTICLE.sub("", translate(shown).strip(_MARKS), count=1), shown)


def literal_finding(text: str) -> Finding:
    """A finding in these words and no others: where they are a synonym they stay it, and nothing is translated.

    Raises `PromptError` as `free_finding` does.
    """
    shown = " ".join(text.split())
    return _in_words(shown.strip(_MARKS), shown)


def _in_words(words: str, shown: str) -> Finding:
    """Return the finding of words that the general sentences are put around; `shown`: as they were typed."""
    if not words:
        raise PromptError("a finding has no words; say what to look for, as in 'rib fracture'")
    if len(words) > MAX_FREE_LENGTH:
        raise PromptError(f"a finding of {len(words)} characters; use at most {MAX_FREE_LENGTH}")
    if _NEGATED.match(words):
        raise PromptError(f"finding {shown!r} is negated; ask for what may be there and read its score the other way")
    return Finding(
        name=f"free_{hashlib.sha256(normalise(words).encode()).hexdigest()[:12]}",
        names={"en": words, "zh": shown},
        synonyms={"en": (), "zh": ()},
        present=tuple(present.format(words) for present, _ in GENERAL_PAIRS),
        absent=tuple(absent.format(words) for _, absent in GENERAL_PAIRS),
        views=(),
        typed=shown,
    )


def suggest(text: str, *, count: int = 3) -> str:
    """`"; did you mean a, b?"` for the nearest catalogue words, or `""`.

    >>> suggest("pnuemothorax")
    '; did you mean pneumothorax?'
    """
    known = terms()
    close = difflib.get_close_matches(normalise(text), known, n=3 * count, cutoff=0.7)
    nearest: dict[str, str] = {}
    for term in close:  # one word a finding
        nearest.setdefault(known[term].name, term)
    return f"; did you mean {', '.join(list(nearest.values())[:count])}?" if nearest else ""
