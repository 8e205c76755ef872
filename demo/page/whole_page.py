"""The page as a whole: header, study bar and tabs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.about_tab import about_page
from radseek.demo.page.archive_tab import archive_page
from radseek.demo.page.explain_tab import explain_page
from radseek.demo.page.explanations import WriteExplanation
from radseek.demo.page.opening import listen_to_opening
from radseek.demo.page.page_words import Lang
from radseek.demo.page.screen_tab import screen_page
from radseek.demo.page.search_tab import search_page
from radseek.demo.page.shell import EACH, Shell, Spoken, box, header, language_switch, wire
from radseek.demo.page.similar_tab import similar_page
from radseek.demo.page.studies_tab import studies_page
from radseek.demo.page.study_bar import study_bar
from radseek.demo.page.visitor_panel import visitor_panel

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
        visitor_panel(shell)
        shell.wire = wire(base)
        study_bar(shell)
        with gr.Tabs(selected="screen", elem_id="rs-tabs") as shell.tabs:
            for name, build in _tabs(explain):
                with shell.labels.name(gr.Tab(id=name, elem_id=f"rs-tab-{name}"), label=f"tab.{name}"):
                    build(shell)
        shell.speak(lambda lang: header(lang), [], [head])
        listen_to_opening(shell, page, _listen_to_language(shell))
    return page


def _tabs(explain: WriteExplanation) -> list[tuple[str, Callable[[Shell], Any]]]:
    return [
        ("studies", studies_page),
        ("screen", screen_page),
        ("similar", similar_page),
        ("search", search_page),
        ("explain", lambda shell: explain_page(shell, explain)),
        ("archive", archive_page),
        ("about", about_page),
    ]


def _listen_to_language(shell: Shell) -> Any:
    """Change every word in one stroke, and after that what takes its time; return the event of the first."""
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
    return changed


def _slowly(one: Spoken, lang: Lang, *given: Any) -> Any:
    shown = one.say(lang, given)
    return shown if len(shown) > 1 else shown[0]
