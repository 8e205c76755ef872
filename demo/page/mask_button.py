"""A button that takes a mask's file, and one that takes it away again."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from radseek.demo.page.shell import EACH, QUIET, Shell, box

__all__ = ["mask_button"]


def mask_button(shell: Shell, label: str, clear_label: str) -> gr.State:
    """Build the two buttons; return the state that holds the file's path, None without one.

    The file stays in Gradio's own folder until its hourly sweep, for it is asked about more than once.
    """
    held, of = gr.State(None), gr.State(None)  # the file, and the study that it was uploaded for
    with gr.Column(scale=2, min_width=150, elem_classes="rs-mask"):
        take = shell.labels.name(gr.UploadButton(size="sm"), label=label)
        drop = shell.labels.name(gr.Button(size="sm", visible=False), value=clear_label)
        name = box(elem_classes="rs-mask-name")
    outputs = [held, of, name, drop]
    take.upload(_taken, [take, shell.study], outputs, **QUIET)
    drop.click(_nothing, None, outputs, **QUIET)
    shell.study.change(_another, [shell.study, of], outputs, **EACH)
    return held


def _taken(path: str, key: str | None) -> tuple[Any, ...]:
    return path, key, f"<p>{html.escape(Path(path).name)}</p>", gr.Button(visible=True)


def _nothing() -> tuple[Any, ...]:
    return None, None, "", gr.Button(visible=False)


def _another(key: str | None, of: str | None) -> tuple[Any, ...]:
    """Take away a mask of another study: a change may be told late, when a mask of the one chosen is there already."""
    return (gr.skip(),) * 4 if key == of else _nothing()
