"""What a page opens on, and studies opened from anywhere in it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from radseek.demo.page.error_message import code_of
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import QUIET, Shell
from radseek.demo.page.study_picker import choices_of, label_of, opening_study
from radseek.retrieval.errors import RadseekError

__all__ = ["listen_to_opening"]


def listen_to_opening(shell: Shell, page: gr.Blocks, spoken: Any) -> None:
    """Connect the page's first load and its own buttons.

    Args:
        shell: what the tabs share.
        page: the page that is loaded.
        spoken: the event that is over when every word stands in another language.
    """
    session = shell.session

    def chosen(lang: Lang) -> Any:
        return gr.Dropdown(choices=choices_of(session, (), lang), value=opening_study(session))

    def first(request: gr.Request) -> tuple[Any, Any]:
        if request.headers.get("accept-language", "").lower().startswith("zh"):
            return gr.skip(), "zh"  # and the study once every word is Chinese: what is said of none would come after it
        return chosen("en"), gr.skip()  # a reader may have chosen the other one meanwhile

    def afterwards(lang: Lang, key: str | None) -> Any:
        return gr.skip() if key else chosen(lang)

    def open_study(uploaded: list[str], lang: Lang, event: gr.EventData) -> tuple[Any, Any]:
        key = str(event._data.get("study", ""))
        try:
            session.target(key)
        except RadseekError as error:
            gr.Warning(say(f"code.{code_of(error)}", lang))
            return gr.skip(), gr.skip()
        return _shown(shell, key, uploaded, lang), gr.Tabs(selected="screen")

    shell.wire.open(open_study, [shell.uploaded, shell.lang], [shell.study, shell.tabs], **QUIET)
    page.load(first, None, [shell.study, shell.lang], **QUIET)
    spoken.then(afterwards, [shell.lang, shell.study], shell.study, **QUIET)


def _shown(shell: Shell, key: str, uploaded: list[str], lang: Lang) -> Any:
    """Return the picker with a study chosen, one beyond its list too."""
    choices = choices_of(shell.session, uploaded, lang)
    if key not in {one for _, one in choices}:
        choices = [(label_of(shell.session, key, lang), key), *choices]
    return gr.Dropdown(choices=choices, value=key)
