"""The filters of a question to the archive, as controls; they become the engine's own `FIELD=VALUE` texts."""

from __future__ import annotations

import shlex
from typing import Any

import gradio as gr

from radseek.demo.page.page_words import Lang, every_word, say
from radseek.demo.page.shell import Shell

__all__ = ["filter_controls", "where_of"]


def filter_controls(shell: Shell) -> list[Any]:
    """Build a folded row of filters; return its inputs, in the order that `where_of` takes them."""
    labels = shell.labels
    with labels.name(gr.Accordion(open=False, elem_classes="rs-filters"), label="filter.title"), gr.Row():
        modality = _choice(shell, "filter.modality", "modality")
        body = _choice(shell, "filter.body", "body")
        sex = _choice(shell, "filter.sex", "sex")
        age = labels.name(gr.Textbox(max_lines=1, max_length=20, min_width=110), label="filter.age")
        more = labels.name(gr.Textbox(max_lines=1, max_length=300, min_width=180), label="filter.more")
        report = labels.name(gr.Checkbox(min_width=120), label="filter.report")
    return [modality, body, sex, age, more, report]


def where_of(modality: str, body: str, sex: str, age: str, more: str, report: bool) -> list[str]:
    """Return the filters chosen as the engine reads them.

    >>> where_of("CT", "", "F", "40-60", "year=2020-", True)
    ['modality=CT', 'sex=F', 'age=40-60', 'report=yes', 'year=2020-']
    """
    named = {"modality": modality, "body_part": body, "sex": sex, "age": (age or "").strip()}
    chosen = [f"{name}={value}" for name, value in named.items() if value]
    return [*chosen, *(["report=yes"] if report else []), *_split(more or "")]


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that nobody closed
        return text.split()


def _choice(shell: Shell, label: str, section: str) -> gr.Dropdown:
    codes = [name.partition(".")[2] for name in every_word() if name.startswith(f"{section}.")]

    def words(lang: Lang) -> dict[str, Any]:
        named = [(_named(section, code, lang), code) for code in codes]
        return {"label": say(label, lang), "choices": [(say("filter.any", lang), ""), *named]}

    return shell.labels.set(gr.Dropdown(words("en")["choices"], value="", min_width=120), words)


def _named(section: str, code: str, lang: Lang) -> str:
    name = say(f"{section}.{code}", lang)
    return f"{code} · {name}" if section == "modality" and name != code else name
