"""What the Screen tab shows while there is nothing to screen: what to do next, as buttons."""

from __future__ import annotations

import html

from radseek.app.session import Session
from radseek.demo.page.page_words import Lang, say

__all__ = ["empty_state", "no_set_state"]


def empty_state(session: Session, lang: Lang) -> str:
    """Return what is said before a study is chosen; where there is none to choose, with two buttons.

    Args:
        session: whose archive is counted.
        lang: the page's language.

    Returns:
        HTML; page.js knows what its buttons do.
    """
    if session.count():
        return f'<p class="rs-hint">{_word("trouble.no_study", lang)}</p>'
    buttons = (
        f'<button type="button" class="rs-press rs-press-first" data-do="synthetic">{_word("empty.synthetic", lang)}'
        f'</button><button type="button" class="rs-press" data-do="bring">{_word("empty.bring", lang)}</button>'
    )
    return (
        f'<section class="rs-empty" role="status"><h2>{_word("empty.title", lang)}</h2>'
        f'<p>{_word("empty.lead", lang)}</p><p class="rs-buttons">{buttons}</p></section>'
    )


def no_set_state(lang: Lang) -> str:
    """Return what is said of a study that no finding set was written for: it is no error, and says the next step."""
    return f'<section class="rs-empty" role="status"><p>{_word("screen.no_set", lang)}</p></section>'


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
