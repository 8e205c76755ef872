"""The two choices of what files are of, where they do not say it themselves: modality and body part."""

from __future__ import annotations

import gradio as gr

from radseek.demo.page.control_labels import Labels
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.retrieval.imaging.body_part import PARTS
from radseek.retrieval.imaging.modality import MODALITIES

__all__ = ["stated_controls"]


def stated_controls(labels: Labels, name: str) -> tuple[gr.Dropdown, gr.Dropdown]:
    """Build both, under ids that begin with `name`; their values are "" for what nobody said."""
    modality = gr.Dropdown(_modalities("en"), value="", scale=2, min_width=180, elem_id=f"{name}-modality")
    part = gr.Dropdown(_body_parts("en"), value="", scale=2, min_width=180, elem_id=f"{name}-body-part")
    labels.set(modality, lambda lang: {"label": say("study.modality", lang), "choices": _modalities(lang)})
    labels.set(part, lambda lang: {"label": say("study.body_part", lang), "choices": _body_parts(lang)})
    return modality, part


def _modalities(lang: Lang) -> list[tuple[str, str]]:
    named = [(say_or(f"modality.{code}", lang, code), code) for code in MODALITIES]
    return [
        (say("study.as_files", lang), ""),
        *((code if text == code else f"{code} · {text}", code) for text, code in named),
    ]


def _body_parts(lang: Lang) -> list[tuple[str, str]]:
    return [(say("study.as_files", lang), ""), *((say(f"body.{part}", lang), part) for part in PARTS)]
