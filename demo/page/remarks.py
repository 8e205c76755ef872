"""What is said beside an answer: why there is nothing in it, and what misspelt words may have meant."""

from __future__ import annotations

import html
from collections.abc import Iterable

from radseek.demo.page.page_words import Lang, say
from radseek.retrieval.language.spelling import Suggestion

__all__ = ["remarks"]


def remarks(notes: Iterable[str], suggestions: Iterable[Suggestion], lang: Lang) -> str:
    """Return the remarks as HTML; the notes are the engine's own words, in English."""
    meant = (say("remark.meant", lang, words=one.words, meant=one.meant) for one in suggestions)
    return "".join(f'<p class="rs-hint" role="status">{html.escape(text)}</p>' for text in (*meant, *notes))
