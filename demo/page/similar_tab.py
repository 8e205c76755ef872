"""The Similar cases tab: the study beside its neighbours, with synchronised key slices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr

from radseek.app.refused_cases import CANDIDATES, without_refused
from radseek.app.session import Session
from radseek.demo.page.case_cards import Compared, case_cards, pair_moves
from radseek.demo.page.error_message import answered, said
from radseek.demo.page.filter_controls import filter_controls, where_of
from radseek.demo.page.mask_button import mask_button
from radseek.demo.page.page_words import Lang
from radseek.demo.page.shared_findings import said_of_query
from radseek.demo.page.shell import EACH, Shell, box
from radseek.demo.page.viewer_frame import shown, viewer
from radseek.prompts import find
from radseek.prompts.finding import Finding
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.scoring.screening import choose_findings

__all__ = ["similar_page"]

COUNTS = [3, 5, 10, 20]
_QUEUE: Final = "rs-similar"  # an answer about the last study comes before the change to the next clears it


def similar_page(shell: Shell) -> None:
    """Build the tab."""
    labels = shell.labels
    with gr.Row(elem_classes="rs-controls"):
        text = labels.name(_line("rs-similar-text"), label="similar.text", placeholder="similar.text_hint")
        contrast = labels.name(
            _line("rs-similar-contrast"), label="similar.contrast", placeholder="similar.contrast_hint"
        )
        count = labels.name(gr.Dropdown(COUNTS, value=5, scale=1, min_width=90), label="similar.k")
        mask = mask_button(shell, "similar.mask", "similar.mask_clear")
        run = labels.name(
            gr.Button(variant="primary", scale=1, min_width=150, elem_id="rs-similar-run"), value="similar.run"
        )
    filters = filter_controls(shell)
    with gr.Row(elem_classes="rs-columns"):
        with gr.Column(scale=5, min_width=420):
            cards = box(elem_id="rs-similar-cards", elem_classes="rs-live rs-of-study rs-scroll", min_height=120)
        with gr.Column(scale=8, min_width=640, elem_classes="rs-sticky"), gr.Row():
            query, case = viewer(shell, "query"), viewer(shell, "case")
    answer = gr.State(None)

    def similar(lang: Lang, key: str | None, words: str, against: str, k: int, region: str | None, *where: Any) -> Any:
        asked = partial(compared, shell.session, lang, key, words, against, int(k), region, where_of(*where))
        return answered(lang, asked, lambda trouble: (trouble, None, gr.skip(), gr.skip()))

    def refuse(lang: Lang, old: Compared | None, k: int, event: gr.EventData) -> Any:
        if old is None:
            return gr.skip(), gr.skip()
        key = str(event._data.get("study", ""))
        left = tuple(one for one in old.refused if one != key)
        refused = left if event._data.get("back") else (*left, key)
        return answered(lang, partial(_again, shell.session, lang, old, refused, int(k)), lambda no: (no, old))

    shell.wire.refuse(
        refuse, [shell.lang, answer, count], [cards, answer], concurrency_id=_QUEUE, api_visibility="private"
    )

    gr.on(
        [run.click, text.submit, contrast.submit],
        similar,
        [shell.lang, shell.study, text, contrast, count, mask, *filters],
        [cards, answer, query, case],
        show_progress_on=cards,
        concurrency_id=_QUEUE,
        api_visibility="private",
    )

    def fresh(key: str | None, lang: Lang, old: Compared | None) -> tuple[Any, ...]:
        if old is not None and old.query == key:  # it was asked about already, as the study was chosen
            return (gr.skip(),) * 4
        return shown(key, lang, "query"), shown(None, lang, "case"), "", None

    shell.study.change(
        fresh, [shell.study, shell.lang, answer], [query, case, cards, answer], concurrency_id=_QUEUE, **EACH
    )
    shell.speak(lambda lang, old: case_cards(shell.session, old, lang) if old else gr.skip(), [answer], [cards])
    shell.speak(lambda lang, key: _renamed(lang, key), [shell.study], [query, case])


def compared(
    session: Session,
    lang: Lang,
    key: str | None,
    words: str,
    against: str,
    k: int,
    region: str | None,
    where: list[str],
) -> tuple[Any, ...]:
    """Return the cards, the answer and what both viewers show. Raises as `Engine.similar` does."""
    if not key or session.index is None:
        return said("trouble.no_archive" if key else "trouble.no_study", lang), None, gr.skip(), gr.skip()
    target = session.target(key) if region is None else session.pixels(key) or session.target(key)
    contrast = find(against) if against.strip() else None
    with session.engine() as engine:
        mask = None if region is None else Path(region)
        found = engine.similar(target, k, where=where, text=words.strip() or None, mask=mask, contrast=contrast)
    findings = marked_findings(session, key, contrast, words)
    answer = Compared(
        found, findings, said_of_query(session, key, findings), asked=(words.strip(), tuple(where), region)
    )
    both = [shown(key, lang, "query"), shown(None, lang, "case")]
    first = answer.first
    if first is not None and first.matches:
        both = [
            {**stated, **move}
            for stated, move in zip(both, pair_moves(session, key, first.study, first.matches[0]), strict=True)
        ]
    return case_cards(session, answer, lang), answer, *both


def _again(session: Session, lang: Lang, old: Compared, refused: tuple[str, ...], k: int) -> tuple[str, Compared]:
    """Return the cards of an answer without what is like the cases refused."""
    words, where, region = old.asked
    target = session.target(old.query) if region is None else session.pixels(old.query) or session.target(old.query)
    with session.engine() as engine:
        mask = None if region is None else Path(region)
        wide = engine.similar(target, max(k, CANDIDATES), where=list(where), text=words or None, mask=mask)
    result = replace(without_refused(session, wide, refused, k), contrast=old.result.contrast)
    now = replace(old, result=result, refused=refused)
    return case_cards(session, now, lang), now


def marked_findings(session: Session, key: str, contrast: Finding | None, words: str) -> dict[str, Finding]:
    """Return the findings whose sentences matter: the contrast's and the words' own, else those of the fitting set."""
    named = [one.finding for one in findings_in(words)] if words.strip() else []
    asked = [*([contrast] if contrast is not None else []), *(find(name) for name in named)]
    if not asked and (fitting := session.finding_set(key)) is not None:
        asked = list(choose_findings(fitting)[0])
    return {one.name: one for one in asked}


def _renamed(lang: Lang, key: str | None) -> tuple[Any, Any]:
    """Both viewers in another language, where they are."""
    case = shown(None, lang, "case")
    return shown(key, lang, "query"), {name: case[name] for name in ("lang", "name")}


def _line(name: str) -> gr.Textbox:
    return gr.Textbox(max_lines=1, max_length=300, scale=3, min_width=180, elem_id=name)
