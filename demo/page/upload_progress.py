"""Files that a visitor uploads: read in a thread, reported step by step, stopped when nobody listens any more."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gradio as gr

from radseek.app.session import Session
from radseek.app.uploads import Progress, Received, receive
from radseek.demo.page.error_message import trouble
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.study_picker import choices_of
from radseek.demo.page.synthetic_studies import SYNTHETIC, synthetic_studies
from radseek.retrieval.types import Skipped

__all__ = ["bring_synthetic", "discard", "upload_files"]

_TICK: Final = 0.25  # seconds between two looks
_SILENT: Final = 20.0  # seconds without a look after which the reading is given up: the visitor is gone
_SHOWN: Final = 8  # files not used that are named

Read = Callable[[Progress, Callable[[], bool]], Received]
Answer = tuple[str, Any, list[str], Any]  # status, stop button, keys uploaded, picker


@dataclass(slots=True)
class _Reading:
    """What the thread has come to; the page looks at it."""

    step: tuple[str, int, int | None] = ("check", 0, None)
    keys: list[str] = field(default_factory=list)
    skipped: tuple[Skipped, ...] = ()
    error: Exception | None = None
    looked: float = field(default_factory=time.monotonic)
    left: bool = False

    def stopped(self) -> bool:
        return self.left or time.monotonic() - self.looked > _SILENT


def upload_files(session: Session) -> Callable[[Sequence[str] | None, str, str, list[str], Lang], Iterator[Answer]]:
    """Return the page's answer to files sent: reads them into the session, and deletes them."""

    def upload(
        sent: Sequence[str] | None, modality: str, part: str, uploaded: list[str], lang: Lang
    ) -> Iterator[Answer]:
        files = [Path(name) for name in sent or ()]

        def read(step: Progress, stopped: Callable[[], bool]) -> Received:
            try:
                return receive(files, modality=modality or None, body_part=part or None, progress=step, stopped=stopped)
            finally:
                discard(files)

        yield from _followed(session, read, len(files), uploaded, lang)

    return upload


def bring_synthetic(session: Session) -> Callable[[list[str], Lang], Iterator[Answer]]:
    """Return the page's answer to a visitor without data: makes synthetic studies and reads them into the session."""

    def bring(uploaded: list[str], lang: Lang) -> Iterator[Answer]:
        yield from _followed(session, lambda step, _: synthetic_studies(step), SYNTHETIC, uploaded, lang)

    return bring


def _followed(session: Session, read: Read, count: int, uploaded: list[str], lang: Lang) -> Iterator[Answer]:
    """Read in a thread, and yield what the page shows until the studies are held."""
    reading = _Reading()
    thread = threading.Thread(target=_read, args=(session, read, reading), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            reading.looked = time.monotonic()
            yield _bar(reading.step, count, lang), gr.Button(visible=True), uploaded, gr.skip()
            thread.join(_TICK)
        yield _answer(session, reading, uploaded, lang)
    finally:  # stopped: the generator is closed
        reading.left = True


def discard(files: Sequence[Path]) -> None:
    """Delete files that were sent, and the folders that Gradio made for them."""
    for path in files:
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:  # others are still in it
            continue


def _read(session: Session, read: Read, reading: _Reading) -> None:
    def step(name: str, done: int, total: int | None) -> None:
        reading.step = (name, done, total)

    try:
        received = read(step, reading.stopped)
        reading.skipped = received.skipped
        for number, study in enumerate(received.studies, 1):
            if reading.stopped():
                return
            step("encode", number, len(received.studies))
            reading.keys.append(session.upload(study))
    except Exception as error:  # noqa: BLE001 - handed to the page, which says it
        reading.error = error


def _bar(step: tuple[str, int, int | None], count: int, lang: Lang) -> str:
    name, done, total = step
    text = say(
        f"bring.{name}", lang, done=min(done + (name in ("make", "read")), total or 1), total=total or 1, count=count
    )
    return f'<p>{html.escape(text)}</p><progress class="rs-progress" aria-label="{html.escape(text)}"></progress>'


def _answer(session: Session, reading: _Reading, uploaded: list[str], lang: Lang) -> Answer:
    hidden = gr.Button(visible=False)
    if reading.error is not None:
        return trouble(reading.error, lang), hidden, uploaded, gr.skip()
    mine = [*reading.keys, *(key for key in uploaded if key not in reading.keys)]
    count = len(reading.keys)
    text = say("bring.done_one", lang) if count == 1 else say("bring.done", lang, count=count)
    picker = gr.Dropdown(choices=choices_of(session, mine, lang), value=reading.keys[0])
    return f"<p>{html.escape(text)}</p>{_unused(reading.skipped, lang)}", hidden, mine, picker


def _unused(skipped: Sequence[Skipped], lang: Lang) -> str:
    if not skipped:
        return ""
    lines = [
        f"<li><code>{html.escape(one.reason_code)}</code> {html.escape(one.path)}: "
        f"{html.escape(say_or(f'code.{one.reason_code}', lang, one.message))}</li>"
        for one in skipped[:_SHOWN]
    ]
    if len(skipped) > _SHOWN:
        lines.append(f"<li>{html.escape(say('bring.more', lang, count=len(skipped) - _SHOWN))}</li>")
    head = html.escape(say("bring.skipped", lang, count=len(skipped)))
    return f'<details class="rs-skipped"><summary>{head}</summary><ul>{"".join(lines)}</ul></details>'
