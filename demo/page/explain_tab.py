"""The Explain tab: the cited summary of one study, in a frame that runs nothing."""

from __future__ import annotations

import html
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.background_job import Progress, Stopped, Work, bar, follow
from radseek.demo.page.error_message import answered, said, trouble
from radseek.demo.page.explanations import Question, WriteExplanation
from radseek.demo.page.mask_button import mask_button
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.screen_tab import asked_findings, set_choices
from radseek.demo.page.shell import EACH, QUIET, Shell, box
from radseek.demo.page.study_picker import choices_of

__all__ = ["explain_page", "framed"]

NARRATORS = ("template", "local")


def explain_page(shell: Shell, explain: WriteExplanation) -> None:
    """Build the tab; `explain` writes the explanation."""
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
    frame = box(elem_id="rs-explain-frame", elem_classes="rs-live rs-of-study", min_height=160)
    asked = gr.State(None)
    visits = _Visits(shell.session, explain)
    given = [shell.lang, shell.study, which, narrator, prior, mask, prior_mask]
    outputs = [frame, asked, stop]
    run.click(visits.explain, given, outputs, concurrency_limit=2, **QUIET)
    stop.click(visits.stop, None, None, queue=False, **QUIET)
    gr.on(
        [shell.tabs.select],
        lambda lang, mine: gr.Dropdown(choices=_priors(shell, mine, lang)),
        [shell.lang, shell.uploaded],
        prior,
        **QUIET,
    )
    shell.study.change(visits.another, [shell.study, asked], outputs, **EACH)
    shell.speak(visits.again, [asked, *given[1:]], outputs, slowly=True)


class _Visits:
    """The page's visitors, and whose explanation is on its way: it ends when stopped, or when another study is chosen.

    It ends by its own last word: after Gradio's `cancels`, what the work yielded last may be shown once more.
    """

    def __init__(self, session: Session, explain: WriteExplanation) -> None:
        self._session, self._explain = session, explain
        self._chosen: dict[str, str] = {}  # by visit, while one is explained: the study last chosen, "" once stopped

    def explain(self, request: gr.Request, lang: Lang, key: str | None, *given: Any) -> Iterator[tuple[Any, ...]]:
        """Yield what the page shows until the explanation stands, or is no longer wanted."""
        visit = str(request.session_hash)
        self._chosen[visit] = str(key)
        try:
            with closing(_explaining(self._session, self._explain, lang, key, *given)) as steps:
                for step in steps:
                    if self._chosen[visit] != str(key):
                        yield _nothing("" if self._chosen[visit] else _stopped(lang))
                        return
                    yield step
        finally:
            self._chosen.pop(visit, None)

    def stop(self, request: gr.Request) -> None:
        """Have the visitor's explanation end after its present sentence."""
        visit = str(request.session_hash)
        if visit in self._chosen:
            self._chosen[visit] = ""

    def another(self, request: gr.Request, key: str | None, old: Question | None) -> tuple[Any, ...]:
        """Clear what is not of the study chosen: the change may be told late, when that is being explained already."""
        visit = str(request.session_hash)
        busy = self._chosen.get(visit, "") not in ("", str(key))  # one that was stopped stays so
        if busy:
            self._chosen[visit] = str(key)
        return _nothing() if busy or (old is not None and old.study != key) else (gr.skip(),) * 3

    def again(self, lang: Lang, old: Question | None, *now: Any) -> tuple[Any, ...]:
        """Explain anew in another language what is shown."""
        return (gr.skip(),) * 3 if old is None else list(_explaining(self._session, self._explain, lang, *now))[-1]


def _explaining(
    session: Session, explain: WriteExplanation, lang: Lang, *given: Any
) -> Generator[tuple[Any, ...], None, None]:
    """Yield the frame, what was asked and the stop button, until the explanation stands."""
    question = answered(lang, lambda: _asked(session, lang, *given), str)
    if isinstance(question, str):
        yield question, None, gr.Button(visible=False)
        return
    for work in follow(lambda progress, stopped: _explained(session, explain, question, progress, stopped)):
        yield _step(work, question, lang)


def _asked(session: Session, lang: Lang, key: str | None, name: str, voice: str, *given: Any) -> Question | str:
    """Return what is to be explained, or as HTML what is missing."""
    if not key:
        return said("trouble.no_study", lang)
    findings = asked_findings(session, key, name, None)
    return said("screen.no_set", lang) if findings is None else _question(key, findings, lang, voice, *given)


def _explained(
    session: Session, explain: WriteExplanation, question: Question, progress: Progress, stopped: Stopped
) -> str:
    def after_sentence(done: int, of: int) -> None:
        if stopped():
            raise CancelledError
        progress("wording", done, of)

    return explain(session, question, after_sentence)


def _nothing(message: str = "") -> tuple[Any, ...]:
    return message, None, gr.Button(visible=False)


def _stopped(lang: Lang) -> str:
    return f'<p class="rs-hint">{html.escape(say("explain.stopped", lang))}</p>'


def _step(work: Work[str], question: Question, lang: Lang) -> tuple[Any, ...]:
    if not work.is_done:
        name, done, total = work.step
        text = html.escape(say(f"explain.{name or 'working'}", lang, done=done, total=total or 0))
        return bar(text, done, total), None, gr.Button(visible=True)
    if work.result is None:
        return trouble(work.error or CancelledError(), lang), question, gr.Button(visible=False)
    return framed(work.result, lang), question, gr.Button(visible=False)


def framed(page: str, lang: Lang) -> str:
    """Return a page in a frame without scripts, forms or an origin.

    Its links to itself are written out: a frame without an address takes `#S1` for a place in the page around it.
    """
    inside = html.escape(page.replace('href="#', 'href="about:srcdoc#'))
    title = html.escape(say("explain.frame", lang))
    lead = html.escape(say("explain.lead", lang))
    label = html.escape(say("tools.print", lang))
    button = f'<button type="button" class="rs-small" data-do="print">{label}</button>'
    frame = f'<iframe class="rs-frame" sandbox="" title="{title}" srcdoc="{inside}"></iframe>'
    return f'<p class="rs-tools"><span class="rs-hint">{lead}</span> {button}</p>{frame}'


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


def _priors(shell: Shell, uploaded: list[str], lang: Lang) -> list[tuple[str, str]]:
    return [(say("explain.prior_none", lang), ""), *choices_of(shell.session, uploaded, lang)]
