"""What a page opens on, and studies opened from anywhere in it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import gradio as gr

from radseek.demo.page.error_message import code_of
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import QUIET, Shell
from radseek.demo.page.study_picker import choices_of, label_of, opening_study
from radseek.retrieval.errors import RadseekError

__all__ = ["listen_to_opening", "named_in"]

_LONGEST: Final = 2_000  # characters of an address that are read
# As it was at first (address.js); it never comes to a server by itself.
_ADDRESS: Final = "() => [window.rsFirstAddress ?? window.location.hash]"
# page.js showed the images of what was asked for already, and must know where that could not be chosen.
_OPENED: Final = "(key) => { document.dispatchEvent(new CustomEvent('rs-opened', { detail: key })); }"


def listen_to_opening(shell: Shell, page: gr.Blocks, spoken: Any) -> None:
    """Connect the page's first load and its own buttons.

    Args:
        shell: what the tabs share.
        page: the page that is loaded.
        spoken: the event that is over when every word stands in another language.
    """
    session = shell.session

    def chosen(address: str, lang: Lang) -> Any:
        key = named_in(address).get("study", "")
        if key and _is_there(shell, key, lang):
            return _shown(shell, key, [], lang)
        return gr.Dropdown(choices=choices_of(session, (), lang), value=opening_study(session))

    def first(address: str, request: gr.Request) -> tuple[Any, ...]:
        if request.headers.get("accept-language", "").lower().startswith("zh"):
            # The study once every word is Chinese: what is said of none comes before.
            return gr.skip(), "zh", address
        return chosen(address, "en"), gr.skip(), address  # a reader may have chosen the other language meanwhile

    def afterwards(address: str, lang: Lang, key: str | None) -> Any:
        return gr.skip() if key else chosen(address, lang)

    def open_study(uploaded: list[str], lang: Lang, event: gr.EventData) -> Any:
        key = str(event._data.get("study", ""))
        return _shown(shell, key, uploaded, lang) if _is_there(shell, key, lang) else gr.skip()

    # tab_bar.js goes to the tab: told from here it would come late, and bring back a reader who went on. And whenever
    # any event starts or ends, Gradio copies what others write to, with all that lies in it: in the tabs, the page.
    opened = shell.wire.open(open_study, [shell.uploaded, shell.lang], [shell.study], trigger_mode="multiple", **QUIET)
    opened.then(None, [shell.study], js=_OPENED, **QUIET)
    address, asked = gr.Textbox(visible=False), gr.State("")  # as it was at first: a reader may be elsewhere by now
    page.load(first, address, [shell.study, shell.lang, asked], js=_ADDRESS, **QUIET)
    spoken.then(afterwards, [asked, shell.lang, shell.study], shell.study, **QUIET)


def named_in(address: str) -> dict[str, str]:
    """Return what the part of an address behind its `#` names; of a name given twice, the last.

    >>> named_in("#study=2.25.7&tab=similar")
    {'study': '2.25.7', 'tab': 'similar'}
    """
    return dict(parse_qsl(address[:_LONGEST].removeprefix("#")))


def _is_there(shell: Shell, key: str, lang: Lang) -> bool:
    """Say whether a study is known; where not, the reader is told."""
    try:
        if not shell.session.is_uploaded(key):
            shell.session.case(key)
    except RadseekError as error:
        gr.Warning(say(f"code.{code_of(error)}", lang))
        return False
    return True


def _shown(shell: Shell, key: str, uploaded: list[str], lang: Lang) -> Any:
    """Return the picker with a study chosen, one beyond its list too."""
    choices = choices_of(shell.session, uploaded, lang)
    if key not in {one for _, one in choices}:
        choices = [(label_of(shell.session, key, lang), key), *choices]
    return gr.Dropdown(choices=choices, value=key)
