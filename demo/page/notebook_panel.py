"""What readers keep: that of the chosen study under its images, and all of it elsewhere; notebook.js draws both."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import section_words
from radseek.demo.page.shell import Shell

__all__ = ["notebook_panel"]

# The addresses are written into the script: a tab that is not shown yet loses its other properties.
_LOAD: Final = """
const root = element.querySelector('.rs-notebook');
import(%s + '/web/notebook.js').then((notes) => {
  notes.attach(root, %s + '/archive', props.value, %s);
  watch('value', () => notes.speak(root, props.value));
});
"""


def notebook_panel(shell: Shell, *, of_study: bool) -> None:
    """Build the list.

    Args:
        shell: what the tabs share.
        of_study: only what was kept of the study chosen, with a button that keeps it; else all.
    """
    if shell.session.index is None:
        return
    base, name = json.dumps(shell.base), "rs-notes-study" if of_study else "rs-notes-all"
    settings: dict[str, Any] = {"apply_default_css": False, "elem_id": name}
    listed = gr.HTML(
        section_words("notes", "en"),
        html_template='<div class="rs-notebook"></div>',
        js_on_load=_LOAD % (base, base, json.dumps(of_study)),
        **settings,
    )
    shell.speak(partial(section_words, "notes"), [], [listed])
