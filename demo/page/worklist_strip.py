"""The worklist above the images of the Screen tab: on and back, verdicts and progress by key; worklist.js draws it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import section_words
from radseek.demo.page.shell import Shell

__all__ = ["worklist_strip"]

_LOAD: Final = """
import(props.script).then((work) => {
  work.attach(element.querySelector('.rs-work-strip'), props.base, props.value);
  watch('value', () => work.speak(props.value));
});
"""


def worklist_strip(shell: Shell) -> None:
    """Build the strip; it is hidden until the archive has been screened.

    Args:
        shell: what the tabs share.
    """
    if shell.session.index is None:
        return
    where: dict[str, Any] = {"script": f"{shell.base}/web/worklist.js", "base": f"{shell.base}/archive"}
    strip = gr.HTML(
        section_words("strip", "en"), html_template='<div class="rs-work-strip" hidden></div>', js_on_load=_LOAD,
        apply_default_css=False, elem_id="rs-work-strip", **where,
    )  # fmt: skip
    shell.speak(partial(section_words, "strip"), [], [strip])
