"""The Archive tab: what is in it, its map, the worklist, a reader's verdicts, what was noticed, and adding studies."""

from __future__ import annotations

import html
from typing import Final

import gradio as gr

from radseek.app.archive_facts import Noticed, count_cases, noticed_in
from radseek.app.archive_state import generation_of
from radseek.app.session import Session
from radseek.demo.page.add_studies import build_page
from radseek.demo.page.label_work import label_work
from radseek.demo.page.map_panel import map_panel
from radseek.demo.page.notebook_panel import notebook_panel
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.shell import Shell, box
from radseek.demo.page.study_picker import case_label, kind_label
from radseek.demo.page.table_tools import table_tools
from radseek.demo.page.verdict_panel import verdict_panel
from radseek.demo.page.worklist_panel import worklist_panel
from radseek.retrieval.index.store import Case

__all__ = ["archive_page", "counts_html", "reading_html"]

_SHOWN: Final = 100  # studies with something noticed that are listed


def archive_page(shell: Shell) -> None:
    """Build the tab."""
    session = shell.session
    if session.index is None:
        none = box(_hint("archive.none", "en"))
        shell.speak(lambda lang: _hint("archive.none", lang), [], [none])
        return
    counted = box(counts_html(session, "en"), elem_id="rs-archive-counts")
    shell.speak(lambda lang: counts_html(session, lang), [], [counted])
    with gr.Tabs(elem_id="rs-archive-tabs"):
        with _part(shell, "map"):
            map_panel(shell)
        with _part(shell, "worklist", "work.lead"):
            worklist_panel(shell)
        with _part(shell, "verdicts", "verdict.lead"):
            verdict_panel(shell)
        with _part(shell, "labels", "labels.lead"):
            label_work(shell)
        with _part(shell, "kept", "notes.lead"):
            notebook_panel(shell, of_study=False)
        with _part(shell, "reading", "reading.lead"):
            noticed = box(reading_html(session, "en"), elem_id="rs-archive-reading")
            shell.speak(lambda lang: reading_html(session, lang), [], [noticed])
        with _part(shell, "add", "add.lead"):
            build_page(shell, counted, lambda lang: counts_html(session, lang))


def counts_html(session: Session, lang: Lang) -> str:
    """Return how much is in the archive, and of which kinds."""
    counts = count_cases(session.each_case())
    numbers = ("studies", "series", "slices", "sentences")
    boxes = "".join(
        f"<li><b>{getattr(counts, name):,}</b> {html.escape(say(f'archive.{name}', lang))}</li>" for name in numbers
    )
    kinds = "".join(f"<li><b>{count:,}</b> {html.escape(kind_label(*kind, lang))}</li>" for kind, count in counts.kinds)
    title = html.escape(say("archive.counts", lang))
    generation = html.escape(say("about.generation", lang, generation=generation_of(session), studies=counts.studies))
    lists = "".join(f'<ul class="rs-counts">{items}</ul>' for items in (boxes, kinds))
    return (
        f'<h2 class="rs-sr">{title}</h2><div class="rs-counted">{lists}<span class="rs-hint">{generation}</span></div>'
    )


def reading_html(session: Session, lang: Lang) -> str:
    """Return what was noticed while the studies were read, as a table."""
    found = [(case, noticed) for case in session.each_case() if (noticed := noticed_in(case))]
    if not found:
        return f'<p class="rs-hint">{html.escape(say("reading.none", lang, count=session.count()))}</p>'
    heads = "".join(
        f'<th scope="col">{html.escape(say(f"reading.{name}", lang))}</th>' for name in ("study", "series", "noticed")
    )
    body = "".join(_row(case, one, lang) for case, noticed in found[:_SHOWN] for one in noticed)
    more = len(found) - _SHOWN
    rest = f'<p class="rs-hint">{html.escape(say("reading.more", lang, count=more))}</p>' if more > 0 else ""
    table = f'<table class="rs-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f"{table}{table_tools('as-read', lang)}{rest}"


def _row(case: Case, one: Noticed, lang: Lang) -> str:
    label = html.escape(case_label(case, lang))
    button = f'<button type="button" class="rs-go" data-open="{html.escape(case.key)}">{label}</button>'
    series = " · ".join(
        text for text in (kind_label(one.series.modality, one.series.body_part, lang), one.series.description) if text
    )
    if one.code == "warning":
        shown = say_or(f"reading.{one.text}", lang, one.text)
    else:
        shown = say(f"reading.{one.code}", lang, **({} if one.count is None else {"count": one.count}))
    return f'<tr><th scope="row">{button}</th><td>{html.escape(series)}</td><td>{html.escape(shown)}</td></tr>'


def _part(shell: Shell, name: str, lead: str = "") -> gr.Tab:
    tab: gr.Tab = shell.labels.name(gr.Tab(id=f"archive-{name}", elem_id=f"rs-part-{name}"), label=f"archive.{name}")
    with tab:
        said = box(_hint(lead or f"{name}.lead", "en"))
    shell.speak(lambda lang: _hint(lead or f"{name}.lead", lang), [], [said])
    return tab


def _hint(name: str, lang: Lang) -> str:
    return f'<p class="rs-hint">{html.escape(say(name, lang))}</p>'
