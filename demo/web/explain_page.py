"""The Explain tab: the cited summary of one study, in a frame that runs nothing."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from demo.web.mask_button import mask_button
from demo.web.picker import choices_of
from demo.web.screen_page import asked_findings, set_choices
from demo.web.shell import EACH, QUIET, Shell, box
from demo.web.telling import Question, Tell
from demo.web.trouble import answered, said
from demo.web.words import Lang, say

__all__ = ["explain_page", "framed"]

NARRATORS = ("template", "local")


def explain_page(shell: Shell, tell: Tell) -> None:
    """Build the tab; `tell` writes the explanation."""
    labels = shell.labels
    with gr.Row(elem_classes="rs-controls"):
        which = gr.Dropdown(set_choices("en"), value="", scale=2, min_width=180, elem_id="rs-explain-set")
        labels.set(which, lambda lang: {"label": say("explain.set", lang), "choices": set_choices(lang)})
        narrator = gr.Dropdown(_narrators("en"), value="template", scale=2, min_width=160)
        labels.set(narrator, lambda lang: {"label": say("explain.narrator", lang), "choices": _narrators(lang)})
        prior = gr.Dropdown(_priors(shell, [], "en"), value="", scale=3, min_width=200)
        labels.set(prior, lambda lang: {"label": say("explain.prior", lang)})
        mask = mask_button(shell, "explain.mask", "explain.clear")
        prior_mask = mask_button(shell, "explain.prior_mask", "explain.clear")
        run = labels.name(
            gr.Button(variant="primary", scale=1, min_width=110, elem_id="rs-explain-run"), value="explain.run"
        )
    frame = box(elem_id="rs-explain-frame", min_height=160)
    asked = gr.State(None)

    def explain(lang: Lang, key: str | None, name: str, voice: str, *given: Any) -> tuple[str, Question | None]:
        if not key:
            return said("trouble.no_study", lang), None
        study = key

        def answer() -> tuple[str, Question | None]:
            findings = asked_findings(shell.desk, study, name, None)
            if findings is None:
                return said("screen.no_set", lang), None
            question = _question(study, findings, lang, voice, *given)
            return framed(tell(shell.desk, question), lang), question

        return answered(lang, answer, lambda trouble: (trouble, None))

    given = [shell.lang, shell.study, which, narrator, prior, mask, prior_mask]
    outputs = [frame, asked]
    run.click(explain, given, outputs, show_progress_on=frame, api_visibility="private")
    gr.on(
        [shell.tabs.select],
        lambda lang, mine: gr.Dropdown(choices=_priors(shell, mine, lang)),
        [shell.lang, shell.brought],
        prior,
        **QUIET,
    )
    shell.study.change(lambda: ("", None), None, outputs, **EACH)

    def again(lang: Lang, old: Question | None, *now: Any) -> Any:
        return explain(lang, *now) if old is not None else (gr.skip(), gr.skip())

    shell.speak(again, [asked, *given[1:]], outputs, slowly=True)


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
