"""The bar above the tabs: which study is looked at, and bringing one's own."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import EACH, Shell, box
from radseek.demo.page.stated_controls import stated_controls
from radseek.demo.page.study_picker import choices_of, facts
from radseek.demo.page.table_tools import copy_link
from radseek.demo.page.upload_progress import bring_synthetic, upload_files

__all__ = ["study_bar"]

# Tells page.js in the moment in which another study is chosen, before any answer about it: what is shown is not of it.
_CHOSEN: Final = (
    "(key, ...rest) => { document.dispatchEvent(new CustomEvent('rs-study', { detail: key })); return [key, ...rest]; }"
)


def study_bar(shell: Shell) -> None:
    """Build the bar, and set `shell.study`. Studies uploaded are listed for the visitor who uploaded them only."""
    uploaded = gr.State([])
    shell.study, modality, part, upload, stop = _controls(shell)
    status = box(elem_id="rs-status", elem_classes="rs-live")
    with gr.Row(elem_id="rs-under"):
        seen = box(elem_id="rs-facts", scale=5)
        link = box(copy_link("en"), elem_id="rs-link", scale=0)
    shell.speak(copy_link, [], [link])
    reading = upload.upload(
        upload_files(shell.session),
        [upload, modality, part, uploaded, shell.lang],
        [status, stop, uploaded, shell.study],
        show_progress="hidden",
        concurrency_limit=2,
        api_visibility="private",
    )
    making = shell.wire.synthetic(
        bring_synthetic(shell.session),
        [uploaded, shell.lang],
        [status, stop, uploaded, shell.study],
        show_progress="hidden",
        concurrency_limit=1,
        api_visibility="private",
    )
    stop.click(
        lambda lang: (f"<p>{say('bring.stopped', lang)}</p>", gr.Button(visible=False)),
        [shell.lang],
        [status, stop],
        cancels=[reading, making],
        queue=False,
        api_visibility="private",
    )
    shell.study.change(
        lambda key, lang: facts(shell.session, key, lang),
        [shell.study, shell.lang],
        [seen],
        js=_CHOSEN,
        **EACH,
    )

    def speak(lang: Lang, key: str | None, mine: list[str]) -> tuple[Any, str]:
        picker = gr.Dropdown(choices=choices_of(shell.session, mine, lang), label=say("study.label", lang))
        return picker, facts(shell.session, key, lang)

    shell.speak(speak, [shell.study, uploaded], [shell.study, seen])
    shell.uploaded = uploaded


def _controls(shell: Shell) -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.UploadButton, gr.Button]:
    """The study, what files are of that do not say it, the files uploaded, and what stops their reading."""
    labels = shell.labels
    with gr.Row(elem_id="rs-study", equal_height=False):
        study = gr.Dropdown(
            choices_of(shell.session, (), "en"),
            value=None,
            label=say("study.label", "en"),
            scale=5,
            elem_id="rs-picker",
        )
        modality, part = stated_controls(labels, "rs")
        upload = gr.UploadButton(file_count="multiple", size="md", scale=1, min_width=150, elem_id="rs-bring")
        stop = gr.Button(size="md", visible=False, scale=0, min_width=90, variant="stop", elem_id="rs-stop")
    labels.name(upload, label="study.bring")
    labels.name(stop, value="study.stop")
    return study, modality, part, upload, stop
