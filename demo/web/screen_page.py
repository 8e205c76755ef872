"""The Screen tab."""

from __future__ import annotations

import gradio as gr

from demo.web.shell import Shell

__all__ = ["screen_page"]


def screen_page(shell: Shell) -> None:
    """Build the tab."""
    gr.HTML("<p>…</p>")
