"""A button that takes a mask's file, and one that takes it away again."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from demo.web.shell import EACH, QUIET, Shell, box
from demo.web.words import Lang

__all__ = ["mask_button"]


def mask_button(shell: Shell, label: str, clear_label: str) -> gr.State:
    """Build the two buttons; return the state that holds the file's path, None without one.

    The file stays in Gradio's own folder until its hourly sweep, for it is asked about more than once.
    """
    held = gr.State(None)
    with gr.Column(scale=2, min_width=150, elem_classes="rs-mask"):
        take = shell.labels.name(gr.UploadButton(size="sm"), label=label)
        drop = shell.labels.name(gr.Button(size="sm", visible=False), value=clear_label)
        name = box(elem_classes="rs-mask-name")

    def taken(path: str, _lang: Lang) -> tuple[Any, ...]:
        return path, f"<p>{html.escape(Path(path).name)}</p>", gr.Button(visible=True)

    take.upload(taken, [take, shell.lang], [held, name, drop], **QUIET)
    gr.on(
        [drop.click, shell.study.change],
        lambda: (None, "", gr.Button(visible=False)),
        None,
        [held, name, drop],
        **EACH,
    )
    return held
