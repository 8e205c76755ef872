"""The Studies tab: the archive as a list to look through; studies.js draws it, whatever its length."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import section_words
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
        section_words("list", "en"), html_template='<div class="rs-list"></div>', js_on_load=_LOAD,
        apply_default_css=False, elem_id="rs-studies", **where,
    )  # fmt: skip
    shell.speak(partial(section_words, "list"), [], [listed])
