"""The Explain tab: the cited summary of one study, in a frame that runs nothing."""

from __future__ import annotations

import html
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import gradio as gr

from demo.desk import Desk
from demo.web.long_work import Progress, Stopped, Work, bar, follow
from demo.web.mask_button import mask_button
from demo.web.picker import choices_of
from demo.web.screen_page import asked_findings, set_choices
from demo.web.shell import EACH, QUIET, Shell, box
from demo.web.telling import Question, Tell
from demo.web.trouble import answered, said, trouble
from demo.web.words import Lang, say

__all__ = ["explain_page", "framed"]

NARRATORS = ("template", "local")


def explain_page(shell: Shell, tell: Tell) -> None:
    """Build the tab; `tell` writes the explanation."""
    labels = shell.labels
    with gr.Row(elem_classes="rs-controls"):
        which = gr.Dropdown(set_choices("en"), value="", scale=2, min_width=180, elem_id="rs-explain-set")
        labels.set(which, lambda lang: {"label": say("explain.set", lang), "choices": set_choices(lang)})
        narrator = gr.Dropdown(
            _narrators("en"), value="template", scale=2, min_width=220, elem_id="rs-explain-narrator"
        )
        labels.set(narrator, lambda lang: {"label": say("explain.narrator", lang), "choices": _narrators(lang)})
        prior = gr.Dropdown(_priors(shell, [], "en"), value="", scale=3, min_width=200)
        labels.set(prior, lambda lang: {"label": say("explain.prior", lang)})
        mask = mask_button(shell, "explain.mask", "explain.clear")
        prior_mask = mask_button(shell, "explain.prior_mask", "explain.clear")
        run = labels.name(
            gr.Button(variant="primary", scale=1, min_width=110, elem_id="rs-explain-run"), value="explain.run"
        )
        halt = gr.Button(visible=False, variant="stop", scale=0, min_width=90, elem_id="rs-explain-stop")
        stop = labels.name(halt, value="explain.stop")
    frame = box(elem_id="rs-explain-frame", elem_classes="rs-live", min_height=160)
    asked = gr.State(None)

    def explain(lang: Lang, key: str | None, name: str, voice: str, *given: Any) -> Iterator[tuple[Any, ...]]:
        question = answered(lang, lambda: _asked(shell.desk, lang, key, name, voice, *given), str)
        if isinstance(question, str):
            yield question, None, gr.Button(visible=False)
            return
        for work in follow(lambda told, stopped: _told(shell.desk, tell, question, told, stopped)):
            yield _step(work, question, lang)

    given = [shell.lang, shell.study, which, narrator, prior, mask, prior_mask]
    outputs = [frame, asked, stop]
    running = run.click(explain, given, outputs, concurrency_limit=2, **QUIET)
    stop.click(
        lambda lang: (_stopped(lang), None, gr.Button(visible=False)),
        [shell.lang],
        outputs,
        cancels=[running],
        queue=False,
        api_visibility="private",
    )
    gr.on(
        [shell.tabs.select],
        lambda lang, mine: gr.Dropdown(choices=_priors(shell, mine, lang)),
        [shell.lang, shell.brought],
        prior,
        **QUIET,
    )
    shell.study.change(lambda: ("", None, gr.Button(visible=False)), None, outputs, cancels=[running], **EACH)

    def again(lang: Lang, old: Question | None, *now: Any) -> Any:
        return (gr.skip(),) * 3 if old is None else list(explain(lang, *now))[-1]

    shell.speak(again, [asked, *given[1:]], outputs, slowly=True)


def _asked(desk: Desk, lang: Lang, key: str | None, name: str, voice: str, *given: Any) -> Question | str:
    """Return what is to be explained, or as HTML what is missing."""
    if not key:
        return said("trouble.no_study", lang)
    findings = asked_findings(desk, key, name, None)
    return said("screen.no_set", lang) if findings is None else _question(key, findings, lang, voice, *given)


def _told(desk: Desk, tell: Tell, question: Question, told: Progress, stopped: Stopped) -> str:
    def heard(done: int, of: int) -> None:
        if stopped():
            raise CancelledError
        told("wording", done, of)

    return tell(desk, question, heard)


def _stopped(lang: Lang) -> str:
    return f'<p class="rs-hint">{html.escape(say("explain.stopped", lang))}</p>'


def _step(work: Work[str], question: Question, lang: Lang) -> tuple[Any, ...]:
    if not work.is_done:
        name, done, total = work.step
        text = html.escape(say(f"explain.{name or 'working'}", lang, done=done, total=total or 0))
        return bar(text, done, total), None, gr.Button(visible=True)
    if work.result is None:
        return trouble(work.error or CancelledError(), lang), None, gr.Button(visible=False)
    return framed(work.result, lang), question, gr.Button(visible=False)


def framed(page: str, lang: Lang) -> str:
    """Return a page in a frame without scripts, forms or an origin.

    Its links to itself are written out: a frame without an address takes `#S1` for a place in the page around it.
    """
    inside = html.escape(page.replace('href="#', 'href="about:srcdoc#'))
    title = html.escape(say("explain.frame", lang))
    lead = html.escape(say("explain.lead", lang))
    return (
        f'<p class="rs-hint">{lead}</p><iframe class="rs-frame" sandbox="" title="{title}" srcdoc="{inside}"></iframe>'
    )


def _question(
    key: str,
    findings: str | list[str],
    lang: Lang,
    narrator: str,
    prior: str | None,
    mask: str | None,
    prior_mask: str | None,
) -> Question:
    return Question(
        study=key,
        findings=findings if isinstance(findings, str) else tuple(findings),
        lang=lang,
        narrator=narrator,
        mask=Path(mask) if mask else None,
        prior=prior or None,
        prior_mask=Path(prior_mask) if prior_mask else None,
    )


def _narrators(lang: Lang) -> list[tuple[str, str]]:
    return [(say(f"explain.{name}", lang), name) for name in NARRATORS]


def _priors(shell: Shell, brought: list[str], lang: Lang) -> list[tuple[str, str]]:
    return [(say("explain.prior_none", lang), ""), *choices_of(shell.desk, brought, lang)]
