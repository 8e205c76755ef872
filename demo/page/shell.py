"""What every tab shares: the header, the language, the chosen study, and the wire from the page's own buttons."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import gradio as gr

from radseek.app.session import Session
from radseek.demo.page.control_labels import Labels
from radseek.demo.page.error_message import answered
from radseek.demo.page.page_words import LANGUAGES, Lang, say

__all__ = ["EACH", "QUIET", "Shell", "Spoken", "box", "header", "language_switch", "wire"]

# What every listener of ours that shows no progress has; none is an API of its own.
QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}

# What every listener to a `change` has. Gradio's own mode for it, `always_last`, defers a change that comes while an
# answer is on its way by sending the whole event again afterwards: two such listeners of one control defer each other,
# and ask for ever. Run at every change, a function's answers come in order, for Gradio runs one call of it at a time.
EACH: Final[dict[str, Any]] = QUIET | {"trigger_mode": "multiple"}

# A button anywhere in the page with data-open="KEY" opens that study in the Screen tab; see page.js.
_WIRE = """import(props.script).then((page) => page.wire((name, data) => trigger(name, data)));
// The events: 'open', 'synthetic', 'refuse'"""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A part of the page that is written anew in another language: `render(lang, *inputs)` gives its outputs."""

    render: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    slowly: bool = False

    def say(self, lang: Lang, given: Sequence[Any]) -> list[Any]:
        """Return the outputs; a part that fails stays as it is."""

        def answer() -> list[Any]:
            shown = self.render(lang, *given)
            return list(shown) if len(self.outputs) > 1 else [shown]

        return answered(lang, answer, lambda _: [gr.skip()] * len(self.outputs))


@dataclass(slots=True)
class Shell:
    """Handed to each tab as it is built. `study` holds the chosen study's key, "" for none; `lang` is "en" or "zh".

    A tab that opens a study puts a button with `data-open="KEY"` into its HTML. No event writes to `tabs` (opening.py).
    """

    session: Session
    base: str  # what the page's own addresses start with: "" at the root of the server
    labels: Labels = field(default_factory=Labels)
    lang: gr.Radio = field(init=False)
    study: gr.Dropdown = field(init=False)
    tabs: gr.Tabs = field(init=False)
    wire: gr.HTML = field(init=False)  # what page.js speaks through
    uploaded: gr.State = field(init=False)  # keys of the studies that this visitor uploaded
    spoken: list[Spoken] = field(default_factory=list)
    refreshing: list[Any] = field(default_factory=list)  # events that write what is spoken, in the language they met

    def speak(self, render: Callable[..., Any], inputs: list[Any], outputs: list[Any], *, slowly: bool = False) -> None:
        """Have `render(lang, *inputs)` write `outputs` anew whenever the language changes; `slowly`: after the rest."""
        self.spoken.append(Spoken(render, inputs, outputs, slowly))


def box(value: str = "", **given: Any) -> gr.HTML:
    """Return a place for our own HTML, without Gradio's styles for prose."""
    return gr.HTML(value, apply_default_css=False, padding=False, **given)


def header(lang: Lang) -> str:
    """Return the top of the page as HTML."""
    said = {name: html.escape(say(f"page.{name}", lang)) for name in ("title", "tagline", "notice")}
    return (
        f'<header class="rs-head"><h1>{said["title"]}</h1><p class="rs-tagline">{said["tagline"]}</p>'
        f'<p class="rs-notice" role="note">{said["notice"]}</p></header>'
    )


def language_switch() -> gr.Radio:
    """Return the control that switches the page's language."""
    label = " / ".join(say("page.language", lang) for _, lang in LANGUAGES)
    return gr.Radio(
        list(LANGUAGES),
        value="en",
        label=label,
        show_label=False,
        container=False,
        elem_id="rs-language",
        min_width=220,
    )


def wire(base: str) -> gr.HTML:
    """Return the unseen element through which page.js tells Python what was clicked; see `_WIRE`."""
    return gr.HTML(
        html_template="<span hidden></span>",
        js_on_load=_WIRE,
        script=f"{base}/web/page.js",
        elem_id="rs-wire",
        visible="hidden",
    )
