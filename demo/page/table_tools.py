"""Buttons under a table: save it as CSV, or copy it; take_away.js does both from what is shown."""

from __future__ import annotations

import html

from radseek.demo.page.page_words import Lang, say

__all__ = ["copy_link", "table_tools"]


def table_tools(name: str, lang: Lang) -> str:
    """Return the buttons; they stand right behind their table.

    Args:
        name: what the file is called, after `radseek-`.
        lang: the page's language.

    Returns:
        HTML.
    """
    notice, done = html.escape(say("page.notice", lang)), html.escape(say("tools.copied", lang))
    return (
        f'<p class="rs-tools"><button type="button" class="rs-small" data-do="csv" data-name="{html.escape(name)}" '
        f'data-notice="{notice}">{html.escape(say("tools.csv", lang))}</button> '
        f'<button type="button" class="rs-small" data-do="copy-table" data-done="{done}">'
        f"{html.escape(say('tools.copy_table', lang))}</button></p>"
    )


def copy_link(lang: Lang) -> str:
    """Return the buttons that copy the address of what is shown, and how it is cited."""
    done = html.escape(say("tools.copied", lang))
    return (
        f'<button type="button" class="rs-small" data-do="copy-link" data-done="{done}">'
        f"{html.escape(say('tools.copy_link', lang))}</button> "
        f'<button type="button" class="rs-small" data-do="cite" data-done="{done}">'
        f"{html.escape(say('tools.cite', lang))}</button>"
    )
