"""A viewer's place in the page: Python says what it should show, page.js mounts it and moves it."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import Shell

__all__ = ["shown", "viewer"]

# The template never changes, so that Gradio leaves alone what the viewer builds inside.
_LOAD: Final = """
const root = element.querySelector('.rs-viewer');
import(props.script).then((page) => {
  page.attach(root, props.place, props.base, props.value);
  watch('value', () => page.show(props.place, props.value));
});
"""


def viewer(shell: Shell, place: str) -> gr.HTML:
    """Build a viewer's place; its value is what `shown` returns."""
    template = '<div class="rs-viewer" hidden></div>'
    where: dict[str, Any] = {"place": place, "script": f"{shell.base}/web/page.js", "base": "/viewer"}
    return gr.HTML(
        None, html_template=template, js_on_load=_LOAD, elem_classes="rs-viewer-box", apply_default_css=False, **where
    )


def shown(key: str | None, lang: Lang, place: str, **more: Any) -> dict[str, Any]:
    """Return what the viewer at a place is told: a study, and with it a series, slice, view or finding."""
    return {"study": key or "", "lang": lang, "name": say(f"viewer.{place}", lang), **more}
