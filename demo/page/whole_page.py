"""The page as a whole: header, study bar and tabs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.about_tab import about_page
from radseek.demo.page.archive_tab import archive_page
from radseek.demo.page.error_message import code_of
from radseek.demo.page.explain_tab import explain_page
from radseek.demo.page.explanations import WriteExplanation
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.screen_tab import screen_page
from radseek.demo.page.search_tab import search_page
from radseek.demo.page.shell import EACH, QUIET, Shell, Spoken, box, header, language_switch, wire
from radseek.demo.page.similar_tab import similar_page
from radseek.demo.page.study_bar import study_bar
from radseek.demo.page.study_picker import choices_of, label_of
from radseek.retrieval.errors import RadseekError

__all__ = ["build_page"]

_SET_LANGUAGE: Final = (
    "(lang, ...rest) => { document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'; return [lang, ...rest]; }"
)


def build_page(session: Session, *, explain: WriteExplanation, base: str = "") -> gr.Blocks:
    """Return the page. `explain` writes explanations; `base` is where the page is mounted, "" for the root."""
    shell = Shell(session, base)
    page: gr.Blocks = gr.Blocks(title="radseek", fill_width=True, analytics_enabled=False, delete_cache=(600, 3600))
    with page:
        with gr.Row(elem_id="rs-top"):
            head = box(header("en"), elem_id="rs-header", scale=5)
            shell.lang = language_switch()
        study_bar(shell)
        with gr.Tabs(selected="screen", elem_id="rs-tabs") as shell.tabs:
            for name, build in _tabs(explain):
                with shell.labels.name(gr.Tab(id=name, elem_id=f"rs-tab-{name}"), label=f"tab.{name}"):
                    build(shell)
        shell.speak(lambda lang: header(lang), [], [head])
        _listen(shell, page)
    return page


def _tabs(explain: WriteExplanation) -> list[tuple[str, Callable[[Shell], Any]]]:
    return [
        ("screen", screen_page),
        ("similar", similar_page),
        ("search", search_page),
        ("explain", lambda shell: explain_page(shell, explain)),
        ("archive", archive_page),
        ("about", about_page),
    ]


def _listen_to_language(shell: Shell) -> None:
    """Change every word in one stroke, and after that what takes its time."""
    labels, quick = shell.labels, [one for one in shell.spoken if not one.slowly]

    def everything(lang: Lang, *given: Any) -> list[Any]:
        shown, rest = labels.updates(lang), list(given)
        for one in quick:
            mine, rest = rest[: len(one.inputs)], rest[len(one.inputs) :]
            shown += one.say(lang, mine)
        return shown

    inputs = [control for one in quick for control in one.inputs]
    outputs = [control for one in quick for control in one.outputs]
    # What was asked before the change must not come after it, in the language of before.
    settings = {**EACH, "cancels": shell.refreshing}
    changed = shell.lang.change(
        everything, [shell.lang, *inputs], [*labels.controls, *outputs], js=_SET_LANGUAGE, **settings
    )
    for one in (one for one in shell.spoken if one.slowly):
        changed.then(partial(_slowly, one), [shell.lang, *one.inputs], one.outputs, api_visibility="private")


def _slowly(one: Spoken, lang: Lang, *given: Any) -> Any:
    shown = one.say(lang, given)
    return shown if len(shown) > 1 else shown[0]


def _listen(shell: Shell, page: gr.Blocks) -> None:
    """Connect the language switch, the page's own buttons, and the first load."""
    _listen_to_language(shell)

    def open_study(uploaded: list[str], lang: Lang, event: gr.EventData) -> tuple[Any, Any]:
        key = str(event._data.get("study", ""))
        try:
            shell.session.target(key)
        except RadseekError as error:
            gr.Warning(say(f"code.{code_of(error)}", lang))
            return gr.skip(), gr.skip()
        choices = choices_of(shell.session, uploaded, lang)
        if key not in {one for _, one in choices}:
            choices = [(label_of(shell.session, key, lang), key), *choices]
        return gr.Dropdown(choices=choices, value=key), gr.Tabs(selected="screen")

    wire(shell.base).open(open_study, [shell.uploaded, shell.lang], [shell.study, shell.tabs], **QUIET)

    def first(request: gr.Request) -> tuple[Any, Any]:
        cases = shell.session.cases(limit=1)
        speaks = request.headers.get("accept-language", "").lower()
        key = cases[0].key if cases else None
        return gr.Dropdown(choices=choices_of(shell.session, (), "en"), value=key), "zh" if speaks.startswith(
            "zh"
        ) else "en"

    page.load(first, None, [shell.study, shell.lang], **QUIET)
