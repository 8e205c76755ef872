"""Report sentences as HTML: those that name a finding are marked, and it is said what they say of it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from radseek.demo.page.page_words import Lang, say
from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.language.plain_text import plain_line
from radseek.retrieval.language.polarity import Polarity, strongest
from radseek.retrieval.language.report_findings import Said, findings_in
from radseek.retrieval.language.sentence_split import split_sentences

__all__ = ["marked_report", "polarity_word"]


def marked_report(report: str | None, asked: Mapping[str, Finding], lang: Lang) -> str:
    """Return a case's report: its sentences that name one of `asked` first, the whole one folded below."""
    if not report or not report.strip():
        return f'<p class="rs-hint">{html.escape(say("similar.no_report", lang))}</p>'
    # The whole catalogue is looked for, so that a longer name is not taken for a shorter one.
    lexicon = (*asked.values(), *(one for name, one in all_findings().items() if name not in asked))
    lines = [plain_line(one) for one in split_sentences(report)]
    marked = [(line, [one for one in findings_in(line, lexicon) if one.finding in asked]) for line in lines]
    naming = "".join(f"<li>{_sentence(line, says, asked, lang)}</li>" for line, says in marked if says)
    whole = " ".join(_sentence(line, says, asked, lang) for line, says in marked)
    return (
        f'<ul class="rs-sentences">{naming}</ul><details class="rs-more"><summary>'
        f"{html.escape(say('similar.whole', lang))}</summary><p>{whole}</p></details>"
    )


def polarity_word(polarity: Polarity | None, lang: Lang) -> str:
    """Return what a sentence says of the finding asked for, as HTML."""
    if polarity is None:
        return f'<span class="rs-why">{html.escape(say("search.unsaid", lang))}</span>'
    return f'<span class="rs-state rs-state-{polarity}">{html.escape(say(f"state.{polarity}", lang))}</span>'


def _sentence(line: str, says: Sequence[Said], asked: Mapping[str, Finding], lang: Lang) -> str:
    if not says:
        return html.escape(line)
    said = strongest(one.abnormal for one in says) or "uncertain"
    names = (f"{asked[one.finding].names[lang]}: {say(f'state.{one.polarity}', lang)}" for one in says)
    title = html.escape(say("similar.names", lang, findings="; ".join(names)))
    return f'<mark class="rs-said rs-said-{said}" title="{title}">{html.escape(line)}</mark>'
