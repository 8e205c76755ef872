"""What a control is called, in whichever language the page speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from radseek.demo.page.page_words import Lang, say

__all__ = ["Labels"]

Control = TypeVar("Control")


class Labels:
    """Remembers which words each control shows, so that the language of the whole page changes in one stroke."""

    def __init__(self) -> None:
        self._controls: list[Any] = []
        self._properties: list[Callable[[Lang], dict[str, Any]]] = []

    def name(self, control: Control, **entries: str) -> Control:
        """Say which entry of words.toml each property shows, as `label="screen.set"`; return the control."""
        if isinstance(control, gr.UploadButton):
            entries.pop("value", None)  # its value is a file, and its label is what it shows
        return self.set(control, lambda lang: {prop: say(entry, lang) for prop, entry in entries.items()})

    def set(self, control: Control, properties: Callable[[Lang], dict[str, Any]]) -> Control:
        """Give a control all its properties that depend on the language, choices among them; return the control.

        Name a control once, here or with `name`.
        """
        for prop, value in properties("en").items():
            setattr(control, prop, value)
        self._controls.append(control)
        self._properties.append(properties)
        return control

    @property
    def controls(self) -> list[Any]:
        """The controls that have words, in the order named."""
        return list(self._controls)

    def updates(self, lang: Lang) -> list[Any]:
        """Return what each of `controls` becomes in a language."""
        return [gr.update(**properties(lang)) for properties in self._properties]
