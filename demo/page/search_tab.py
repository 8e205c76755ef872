"""The Search tab: a sentence in, studies and report sentences out."""

from __future__ import annotations

import html
import json
from typing import Any

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.error_message import answered, said
from radseek.demo.page.filter_controls import filter_controls, where_of
from radseek.demo.page.finding_table import view_label
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.query_chips import asked_chips, unanswered
from radseek.demo.page.remarks import remarks
from radseek.demo.page.report_sentences import polarity_word
from radseek.demo.page.sentence_places import sentence_places
from radseek.demo.page.shell import Shell, box
from radseek.demo.page.study_picker import label_of
from radseek.demo.page.table_tools import table_tools
from radseek.demo.page.thumbnails import thumb
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.search.search_results import SearchResult, SentenceRow, StudyRow
from radseek.retrieval.search.text_query import parse_query

__all__ = ["found_html", "search_page"]

COUNTS = [5, 10, 20, 50]


def search_page(shell: Shell) -> None:
    """Build the tab."""
    labels = shell.labels
    with gr.Row(elem_classes="rs-controls"):
        text = labels.name(
            gr.Textbox(max_lines=1, max_length=500, scale=6, min_width=320, elem_id="rs-search-text"),
            label="search.text",
            placeholder="search.hint",
        )
        within = gr.Dropdown(_within("en"), value="both", scale=2, min_width=160, elem_id="rs-search-within")
        labels.set(within, lambda lang: {"label": say("search.within", lang), "choices": _within(lang)})
        count = labels.name(gr.Dropdown(COUNTS, value=10, scale=1, min_width=90), label="search.k")
        run = labels.name(
            gr.Button(variant="primary", scale=1, min_width=110, elem_id="rs-search-run"), value="search.run"
        )
    filters = filter_controls(shell)
    results = box(elem_id="rs-search-results", elem_classes="rs-live", min_height=120)
    answer = gr.State(None)

    def search(lang: Lang, words: str, places: Any, k: int, *where: Any) -> tuple[str, SearchResult | None]:
        if shell.session.index is None or not words.strip():
            return said("trouble.no_archive" if shell.session.index is None else "trouble.no_words", lang), None

        def answer() -> tuple[str, SearchResult | None]:
            with shell.session.engine() as engine:
                found = engine.search(words, int(k), where=where_of(*where), within=places)
            return found_html(shell.session, found, lang), found

        return answered(lang, answer, lambda trouble: (trouble, None))

    gr.on(
        [run.click, text.submit],
        search,
        [shell.lang, text, within, count, *filters],
        [results, answer],
        show_progress_on=results,
        api_visibility="private",
    )
    shell.speak(lambda lang, old: found_html(shell.session, old, lang) if old else gr.skip(), [answer], [results])


def found_html(session: Session, found: SearchResult, lang: Lang) -> str:
    """Return an answer: studies with the slice that answers best, then sentences with what they say."""
    lead = f'<p class="rs-hint">{_word("search.lead", lang)}</p>{remarks(found.notes, found.suggestions, lang)}'
    keep = (
        f'<button type="button" class="rs-small" data-do="keep-search" data-lang="{lang}" '
        f'data-done="{_word("tools.kept", lang)}" data-failed="{_word("tools.not_kept", lang)}">'
        f"{_word('tools.keep_search', lang)}</button>"
    )
    lead = f'{asked_chips(found, lang)}{lead}<p class="rs-tools">{keep}</p>{unanswered(found, lang)}'
    if not found.studies and not found.sentences:
        return lead
    studies = "".join(f"<li>{_study(session, row, lang)}</li>" for row in found.studies)
    places = sentence_places(session, found.sentences, _asked(found))
    sentences = "".join(_sentence(session, row, places.get(row.rank), lang) for row in found.sentences)
    parts = [lead]
    if studies:
        parts.append(f'<h2>{_word("search.studies", lang)}</h2><ol class="rs-hits">{studies}</ol>')
    if sentences:
        heads = "".join(
            f'<th scope="col">{_word(f"search.{one}", lang)}</th>' for one in ("sentence", "polarity", "study")
        )
        parts.append(
            f'<h2>{_word("search.sentences", lang)}</h2><table class="rs-table"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{sentences}</tbody></table>{table_tools('sentences', lang)}"
        )
    return "".join(parts)


def _study(session: Session, row: StudyRow, lang: Lang) -> str:
    label = label_of(session, row.study, lang)
    picture = thumb(session, row.study, row.series, row.view, row.key_slice, say("search.thumb", lang, study=label))
    at = {"study": row.study, "series": row.series, "view": row.view, "z": row.key_slice}
    where = f"{view_label(row.view, row.key_slice, lang)} · {say('search.score', lang, score=f'{row.score:.3f}')}"
    where += "" if row.is_read else f" · {say('search.not_read', lang)}"
    return (
        f'<button type="button" class="rs-hit" data-open="{html.escape(row.study)}" '
        f'data-at="{html.escape(json.dumps(at))}">{picture}<span class="rs-hit-name">{html.escape(label)}</span>'
        f'<span class="rs-caption">{html.escape(where)}</span></button>'
    )


def _asked(found: SearchResult) -> list[str]:
    """Return the findings that the words searched for name."""
    try:
        query = parse_query(str(found.query.get("text", "")))
    except RadseekError:
        return []
    return [want.finding.name for want in query.wants if want.finding is not None]


def _sentence(session: Session, row: SentenceRow, place: dict[str, Any] | None, lang: Lang) -> str:
    label = html.escape(label_of(session, row.study, lang))
    at, where = "", ""
    if place is not None:
        at = f' data-at="{html.escape(json.dumps(place))}"'
        where = f'<span class="rs-caption">{html.escape(view_label(place["view"], place["z"], lang))}</span>'
    button = f'<button type="button" class="rs-go" data-open="{html.escape(row.study)}"{at}>{label}</button>{where}'
    return f"<tr><td>{html.escape(row.text)}</td><td>{polarity_word(row.polarity, lang)}</td><td>{button}</td></tr>"


def _within(lang: Lang) -> list[tuple[str, str]]:
    return [(say(f"search.{name}", lang), name) for name in ("both", "images", "reports")]


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
