"""An `ExplainPage` as one HTML file: every citation leads to its evidence without a script."""

from __future__ import annotations

from collections.abc import Sequence

from radseek.html.explain_page import ExplainPage, ScoreCard
from radseek.html.explain_words import words_in
from radseek.html.report_html import POLICY, page_environment, tracks
from radseek.pictures.heat_colours import css_gradient
from radseek.retrieval.explain.evidence import Lang

__all__ = ["render_explanation"]

_HTML_LANG: dict[Lang, str] = {"en": "en", "zh": "zh-CN"}


def render_explanation(page: ExplainPage) -> str:
    """Return the page as HTML. Every text is escaped; `radseek.html.report_html.POLICY` lets a browser load nothing.

    A citation is a link to its item's anchor, and the anchor that is followed lights up (CSS `:target`).
    """
    template = page_environment().get_template("explain.html.j2")
    words = words_in(page.lang).page
    return template.render(
        page=page, w=words, policy=POLICY, html_lang=_HTML_LANG[page.lang], tracks=_tracks, ramp=css_gradient()
    )


def _tracks(cards: Sequence[ScoreCard]) -> list[dict[str, float]]:
    return tracks([card.row for card in cards])
