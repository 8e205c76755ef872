"""What was searched, as it was understood: findings as chips with what is asked of them; states without an answer."""

from __future__ import annotations

import html

from radseek.demo.page.page_words import Lang, say, say_or
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.search.search_results import SearchResult
from radseek.retrieval.search.text_query import TextQuery, parse_query

__all__ = ["asked_chips", "unanswered"]


def asked_chips(found: SearchResult, lang: Lang) -> str:
    """Return what was searched: where, under which filter, and the findings that the words name.

    Args:
        found: the answer.
        lang: the page's language.

    Returns:
        HTML.
    """
    text, within = str(found.query.get("text", "")), str(found.query.get("within", "both"))
    try:
        query = parse_query(text)
    except RadseekError:
        return ""
    where = ", ".join(map(str, found.query.get("where") or ()))
    place = say_or(f"search.{within}", lang, within)
    filtered = say("search.filtered", lang, where=where) if where else ""
    lead = html.escape(say("search.asked", lang, place=place) + filtered)
    return f'<p class="rs-asked"><span>{lead}</span> {"".join(_chips(query, lang))}</p>'


def unanswered(found: SearchResult, lang: Lang) -> str:
    """Return what to do where an answer holds nothing, or no image that the words can be read in; "" for any other."""
    within = found.query.get("within", "both")
    if not found.studies and not found.sentences:
        name = "none"
    elif within != "reports" and found.studies and not any(row.is_read for row in found.studies):
        name = "none_read"
    else:
        return ""
    return f'<section class="rs-empty" role="status"><p>{html.escape(say(f"search.{name}", lang))}</p></section>'


def _chips(query: TextQuery, lang: Lang) -> list[str]:
    taken = [(term.text, "minus", "−") for term in query.terms if term.weight < 0]
    named: list[tuple[str, str, str]] = [
        (want.finding.names[lang] if want.finding is not None else want.words[0], want.polarity, "")
        for want in query.wants
        if want.words
    ]
    if not named and not taken:
        named = [(term.text, "words", "") for term in query.terms]
    return [_chip(*one, lang) for one in (*named, *taken)]


def _chip(words: str, code: str, sign: str, lang: Lang) -> str:
    said = say_or(f"state.{code}", lang, "") or say_or(f"search.chip_{code}", lang, "")
    kind = f"rs-state rs-state-{code}" if code in ("present", "absent", "uncertain") else "rs-state"
    text = f"{sign}{words}: {said}" if said else f"{sign}{words}"
    return f'<span class="rs-said-chip"><span class="{kind}">{html.escape(text)}</span></span> '
