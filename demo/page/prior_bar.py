"""The patient's other studies, one of them beside the images of the Screen tab; prior.js draws it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import section_words
from radseek.demo.page.shell import Shell

__all__ = ["prior_bar"]

_LOAD: Final = """
import(props.script).then((prior) => {
  prior.attach(element.querySelector('.rs-prior'), props.base, props.value);
  watch('value', () => prior.speak(props.value));
});
"""


def prior_bar(shell: Shell) -> None:
    """Build the bar; it is hidden where the patient has no other study.

    Args:
        shell: what the tabs share.
    """
    if shell.session.index is None:
        return
    where: dict[str, Any] = {"script": f"{shell.base}/web/prior.js", "base": f"{shell.base}/archive"}
    bar = gr.HTML(
        section_words("prior", "en"), html_template='<div class="rs-prior" hidden></div>', js_on_load=_LOAD,
        apply_default_css=False, elem_id="rs-prior", **where,
    )  # fmt: skip
    shell.speak(partial(section_words, "prior"), [], [bar])
