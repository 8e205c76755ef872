"""The Screen tab: findings of one study in a table, beside its images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.empty_state import empty_state, no_set_state
from radseek.demo.page.error_message import answered
from radseek.demo.page.finding_table import Screened, findings_table
from radseek.demo.page.mask_button import mask_button
from radseek.demo.page.notebook_panel import notebook_panel
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.prior_bar import prior_bar
from radseek.demo.page.shell import EACH, Shell, box
from radseek.demo.page.viewer_frame import shown, viewer
from radseek.demo.page.worklist_strip import worklist_strip
from radseek.demo.viewer.mask_layer import masks_of
from radseek.prompts import list_sets
from radseek.retrieval.scoring.screening import choose_findings

__all__ = ["SEPARATORS", "asked_findings", "screen_page", "set_choices"]

SEPARATORS: Final = re.compile(r"[,;，、；\n]+")
Said = tuple[str, Screened | None]


def screen_page(shell: Shell) -> None:
    """Build the tab; it screens by itself whenever another study is chosen."""
    worklist_strip(shell)
    with gr.Row(elem_classes="rs-columns"):
        with gr.Column(scale=6, min_width=520):
            with gr.Row(elem_classes="rs-controls"):
                which = gr.Dropdown(set_choices("en"), value="", scale=3, min_width=190, elem_id="rs-screen-set")
                words = gr.Textbox(scale=5, min_width=240, max_lines=1, max_length=800, elem_id="rs-screen-words")
                run = gr.Button(variant="primary", scale=1, min_width=110, elem_id="rs-screen-run")
            table = box(
                empty_state(shell.session, "en"),
                elem_id="rs-screen-table",
                elem_classes="rs-live rs-of-study",
                min_height=120,
            )
        with gr.Column(scale=6, min_width=480, elem_classes="rs-sticky"):
            prior_bar(shell)
            with gr.Row(elem_classes="rs-two-viewers"):
                images = viewer(shell, "screen")
                viewer(shell, "prior")
            mask = mask_button(shell, "screen.mask", "screen.mask_clear")
            refused = box(elem_id="rs-screen-mask", elem_classes="rs-live")
            notebook_panel(shell, of_study=True)
    answer = gr.State(None)
    shell.labels.set(which, lambda lang: {"label": say("screen.set", lang), "choices": set_choices(lang)})
    shell.labels.name(words, label="screen.words", placeholder="screen.words_hint")
    shell.labels.name(run, value="screen.run")
    given = [shell.lang, shell.study, which, words]

    def screen(lang: Lang, key: str | None, name: str, typed: str) -> Said:
        return screened(shell.session, lang, key, name, typed)

    def afresh(*asked: Any) -> Iterator[Said]:
        yield "", None  # the last study's findings are not this one's
        yield screen(*asked)

    # One queue for both, so that answers come in the order of their questions.
    shown_as: dict[str, Any] = {"show_progress_on": table, "concurrency_id": "rs-screen"}
    gr.on([run.click, words.submit], screen, given, [table, answer], api_visibility="private", **shown_as)
    shell.study.change(afresh, given, [table, answer], **EACH | {"show_progress": "full"} | shown_as)
    shell.study.change(lambda key, lang: shown(key, lang, "screen"), [shell.study, shell.lang], images, **EACH)

    def overlaid(path: str | None, key: str | None, lang: Lang) -> tuple[Any, str]:
        if not key:
            return gr.skip(), ""

        def laid() -> tuple[Any, str]:
            name = "" if path is None else masks_of(shell.session).take(key, Path(path))
            return shown(key, lang, "screen", mask=name), ""

        return answered(lang, laid, lambda trouble: (gr.skip(), trouble))

    mask.change(overlaid, [mask, shell.study, shell.lang], [images, refused], **EACH)

    def speak(lang: Lang, old: Screened | None, key: str | None) -> Any:
        if old is None:
            return gr.skip() if key else empty_state(shell.session, lang)
        return findings_table(old, lang)

    shell.speak(speak, [answer, shell.study], [table])
    shell.speak(lambda lang, key: shown(key, lang, "screen"), [shell.study], [images])


def screened(session: Session, lang: Lang, key: str | None, name: str, typed: str) -> Said:
    """Return the table of a study's findings, and the answer it shows; or what went wrong, and None."""
    if not key:
        return empty_state(session, lang), None
    study = key

    def answer() -> Said:
        findings = asked_findings(session, study, name, typed)
        if findings is None:
            return no_set_state(lang), None
        with session.engine() as engine:
            result = engine.screen(session.target(study), findings)
        stated = Screened(result, {one.name: one for one in choose_findings(findings)[0]})
        return findings_table(stated, lang), stated

    return answered(lang, answer, lambda trouble: (trouble, None))


def asked_findings(session: Session, key: str, name: str, typed: str | None) -> str | list[str] | None:
    """Return what to look for: typed words first, then the set chosen, then the one that fits; None for none."""
    words = [word.strip() for word in SEPARATORS.split(typed or "") if word.strip()]
    return words or name or session.finding_set(key)


def set_choices(lang: Lang) -> list[tuple[str, str]]:
    """Return (label, name) of the finding sets, the fitting one first."""
    return [(say("set.fits", lang), ""), *((say_or(f"set.{name}", lang, name), name) for name in list_sets())]
