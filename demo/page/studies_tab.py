"""The Studies tab: the archive as a list to look through; studies.js draws it, whatever its length."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import Lang, every_word, say
from radseek.demo.page.shell import Shell

__all__ = ["studies_page"]

_LOAD: Final = """
import(props.script).then((list) => {
  list.attach(element.querySelector('.rs-list'), props.base, props.value);
  watch('value', () => list.speak(props.value));
});
"""


def studies_page(shell: Shell) -> None:
    """Build the tab.

    Args:
        shell: what the tabs share.
    """
    where: dict[str, Any] = {"script": f"{shell.base}/web/studies.js", "base": f"{shell.base}/archive"}
    listed = gr.HTML(
        _words("en"), html_template='<div class="rs-list"></div>', js_on_load=_LOAD, apply_default_css=False,
        elem_id="rs-studies", **where,
    )  # fmt: skip
    shell.speak(_words, [], [listed])


def _words(lang: Lang) -> dict[str, Any]:
    """Return the language, and what the list says in it."""
    names = [name.partition(".")[2] for name in every_word() if name.startswith("list.")]
    return {"lang": lang, "words": {name: say(f"list.{name}", lang) for name in names}}
