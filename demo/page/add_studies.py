"""Adding studies to the archive from the page: uploads only, by whoever may write; their files do not stay."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Final

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from radseek.app.session import Session
from radseek.app.upload_folder import upload_folder
from radseek.app.uploads import gather
from radseek.demo.page.background_job import Progress, Stopped, Work, bar, follow
from radseek.demo.page.error_message import trouble
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.shell import Shell, box
from radseek.demo.page.study_picker import choices_of, modality_choices
from radseek.demo.page.upload_progress import discard
from radseek.index_builder import build_index
from radseek.index_builder.build import BuildReport
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.types import Skipped

__all__ = ["add_studies", "build_page", "may_write"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
_NAMED: Final = 8  # files not used that are named


def build_page(shell: Shell, counted: gr.HTML, changed: Callable[[Lang], str]) -> None:
    """Build the panel; `counted` shows `changed(lang)` anew when the archive has changed."""
    session, labels = shell.session, shell.labels
    with gr.Row(elem_classes="rs-controls"):
        modality = gr.Dropdown(modality_choices("en"), value="", scale=2, min_width=220, elem_id="rs-add-modality")
        take = gr.UploadButton(file_count="multiple", variant="primary", scale=1, min_width=200, elem_id="rs-add-files")
        stop = labels.name(
            gr.Button(visible=False, variant="stop", scale=0, min_width=90, elem_id="rs-add-stop"), value="archive.stop"
        )
    labels.set(modality, lambda lang: {"label": say("study.modality", lang), "choices": modality_choices(lang)})
    labels.name(take, label="add.files", value="add.files")
    status = box(elem_id="rs-add-status", elem_classes="rs-live")

    def add(
        sent: Sequence[str] | None, kind: str, uploaded: list[str], lang: Lang, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        files = [Path(name) for name in sent or ()]
        if not may_write(request):
            discard(files)
            yield f'<p class="rs-warn">{html.escape(say("add.admin", lang))}</p>', gr.skip(), gr.skip(), gr.skip()
            return
        for work in follow(lambda progress, stopped: add_studies(session, files, kind or None, progress, stopped)):
            if work.is_done:
                picker = gr.Dropdown(choices=choices_of(session, uploaded, lang))
                yield _answer(work, lang), gr.Button(visible=False), changed(lang), picker
            else:
                yield _bar(work, lang), gr.Button(visible=True), gr.skip(), gr.skip()

    out = [status, stop, counted, shell.study]
    adding = take.upload(
        add, [take, modality, shell.uploaded, shell.lang], out,
        concurrency_limit=1, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    stop.click(
        lambda lang: (f"<p>{html.escape(say('add.stopped', lang))}</p>", gr.Button(visible=False)),
        [shell.lang], [status, stop], cancels=[adding], queue=False, api_visibility="private",
    )  # fmt: skip


def may_write(request: gr.Request) -> bool:
    """Say whether a visitor may change the archive: the server's admin; without a guarding server, whoever is here."""
    asked: Any = request.request
    role = getattr(getattr(asked, "state", None), "role", None)
    if role is not None:
        return bool(role == "admin")
    return asked.client is not None and asked.client.host in _LOOPBACK


def add_studies(
    session: Session, files: Sequence[Path], modality: str | None, progress: Progress, stopped: Stopped
) -> BuildReport:
    """Add the studies of an upload to the session's index, and open it again; the files are deleted.

    Raises `CancelledError` once `stopped()` (studies committed by then stay), and as `gather` and `build_index` do.
    """
    if session.index is None:
        raise CancelledError
    with session.engine() as engine:
        encoder = engine.encoder
    try:
        with upload_folder() as folder:
            gather(files, folder)
            watched = _Watched(encoder, progress, stopped)
            report = build_index(
                folder,
                session.index,
                encoder=watched,
                modality=modality,
                workers=1,
                progress=_asking(progress, stopped),
            )
    finally:
        discard(files)
        progress("reopen", 0, None)
        session.reopen()
    return report


class _Watched:
    """An encoder that tells how many slices it has seen, and ends the work between two batches when asked."""

    def __init__(self, encoder: Encoder, progress: Progress, stopped: Stopped) -> None:
        self._encoder, self._progress, self._stopped, self._seen = encoder, progress, stopped, 0
        self.spec = encoder.spec
        self.batch_size = encoder.batch_size
        self.folder, self.tower = encoder.folder, encoder.tower

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._stopped():
            raise CancelledError
        self._seen += len(slices)
        self._progress("encode", self._seen, None)
        return self._encoder.encode_slices(slices)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encoder.encode_texts(texts)

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        return self._encoder.pool(slice_vectors)


def _asking(progress: Progress, stopped: Stopped) -> Progress:
    def report(step: str, done: int, total: int | None) -> None:
        progress(step, done, total)
        if stopped() and step == "find":  # while committing, what is done is kept first
            raise CancelledError

    return report


def _bar(work: Work[BuildReport], lang: Lang) -> str:
    step, done, _ = work.step
    return bar(html.escape(say(f"add.{step or 'find'}", lang, done=done)))


def _answer(work: Work[BuildReport], lang: Lang) -> str:
    report = work.result
    if report is None:
        return trouble(work.error or CancelledError(), lang)
    fill = {
        "studies": report.studies,
        "slices": report.slices,
        "already": report.already,
        "generation": report.generation,
    }
    return f'<p class="rs-good">{html.escape(say("add.done", lang, **fill))}</p>{_unused(report.skipped, lang)}'


def _unused(skipped: Sequence[Skipped], lang: Lang) -> str:
    if not skipped:
        return ""
    lines = "".join(
        f"<li><code>{html.escape(one.reason_code)}</code> {html.escape(Path(one.path).name)}: "
        f"{html.escape(say_or(f'code.{one.reason_code}', lang, one.message))}</li>"
        for one in skipped[:_NAMED]
    )
    more = len(skipped) - _NAMED
    rest = f"<li>{html.escape(say('bring.more', lang, count=more))}</li>" if more > 0 else ""
    head = html.escape(say("add.skipped", lang, count=len(skipped)))
    return f'<details class="rs-skipped"><summary>{head}</summary><ul>{lines}{rest}</ul></details>'
