"""The About tab: what this is, its limits, what runs here, and the encoder's card."""

from __future__ import annotations

import html
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Final

import gradio as gr

from radseek.app.archive_state import generation_of
from radseek.app.session import Session
from radseek.app.verdicts import encoder_id
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import Shell, box
from radseek.retrieval.encoders.spec import EncoderSpec

__all__ = ["about_html", "about_page", "model_card"]

_LIMITS: Final = ("device", "score", "domain", "similar", "side", "privacy")
_LIBRARIES: Final = ("torch", "open_clip_torch", "gradio", "faiss-cpu", "pydicom")
_LONGEST: Final = 100_000  # characters of a card that are shown
_PICTURE: Final = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_HEADING: Final = re.compile(r"^(#{1,4}) ", re.M)


def about_page(shell: Shell) -> None:
    """Build the tab."""
    session = shell.session
    stated = box(about_html(session, "en"), elem_id="rs-about")
    with session.engine() as engine:
        card = model_card(engine.encoder.spec)
    if card is not None:
        gr.Markdown(card, elem_id="rs-card", sanitize_html=True)
    shell.speak(lambda lang: about_html(session, lang), [], [stated])
    shell.refreshing.append(
        shell.tabs.select(
            lambda lang: about_html(session, lang),
            [shell.lang],
            [stated],
            show_progress="hidden",
            api_visibility="private",
        )
    )


def about_html(session: Session, lang: Lang) -> str:
    """Return everything but the card."""
    limits = "".join(f"<li>{_word(f'about.limit_{name}', lang)}</li>" for name in _LIMITS)
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in _runs(session, lang))
    with session.engine() as engine:
        spec = engine.encoder.spec
    noise = f'<p class="rs-warn">{_word("about.meaningless", lang)}</p>' if spec.meaningless else ""
    none = "" if model_card(spec) is not None else f'<p class="rs-hint">{_word("about.no_card", lang)}</p>'
    return (
        f'<p class="rs-notice rs-notice-large">{_word("page.notice", lang)}</p>'
        f'<div class="rs-about"><section><h2>{_word("about.what", lang)}</h2><p>{_word("about.text", lang)}</p>'
        f"<h2>{_word('about.limits', lang)}</h2><ul>{limits}</ul></section>"
        f"<section><h2>{_word('about.here', lang)}</h2>{noise}"
        f'<table class="rs-table rs-runs"><tbody>{rows}</tbody></table></section></div>'
        f"<h2>{_word('about.card', lang)}</h2>{none}"
    )


def model_card(spec: EncoderSpec) -> str | None:
    """Return the card of an encoder as Markdown, one level lower and without pictures; None where it has none."""
    if spec.name == "builtin":
        text = files("radseek.retrieval.encoders").joinpath("builtin", "model_card.md").read_text("utf8")
    else:
        path = Path(spec.name) / "model_card.md"
        if not path.is_file():
            return None
        text = path.read_text("utf8", "replace")
    return _HEADING.sub(r"##\1 ", _PICTURE.sub("", text[:_LONGEST]))


def _runs(session: Session, lang: Lang) -> list[tuple[str, str]]:
    with session.engine() as engine:
        spec = engine.encoder.spec
    index = say("about.no_index", lang)
    if session.index is not None:
        index = f"{session.index.name}: " + say(
            "about.generation", lang, generation=generation_of(session), studies=session.count()
        )
    libraries = ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name)))
    stated = [
        ("version", _version("radseek")),
        ("encoder", f"{Path(spec.name).name}, {spec.dim} d, {spec.precision}"),
        ("hashes", encoder_id(spec).replace(" ", " · ")),
        ("index", index),
        ("python", f"Python {platform.python_version()}, {libraries}"),
        ("licence", "Apache-2.0"),
    ]
    return [(_word(f"about.{name}", lang), html.escape(value)) for name, value in stated]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
