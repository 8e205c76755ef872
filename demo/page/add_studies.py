"""Adding studies to the archive from the page: uploads only, by whoever may write; their files stay when told."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from radseek.app.kept_files import keeping_folder
from radseek.app.session import Session
from radseek.app.upload_folder import upload_folder
from radseek.app.uploads import gather
from radseek.demo.page.background_job import Progress, Stopped, Work, bar, follow
from radseek.demo.page.error_message import trouble
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.shell import Shell, box
from radseek.demo.page.stated_controls import stated_controls
from radseek.demo.page.study_picker import case_label, choices_of
from radseek.demo.page.table_tools import table_tools
from radseek.demo.page.upload_progress import discard
from radseek.index_builder import build_index
from radseek.index_builder.build import BuildReport
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.imaging.stated_kind import StatedKind, stated_kind
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.types import Skipped

__all__ = ["Added", "add_studies", "build_page", "may_write"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
_NAMED: Final = 200  # files not used that are named
_OPENED: Final = 20  # studies added that have a button


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition did, and the keys of the studies that are new."""

    report: BuildReport
    keys: tuple[str, ...]


def build_page(shell: Shell, counted: gr.HTML, changed: Callable[[Lang], str]) -> None:
    """Build the panel; `counted` shows `changed(lang)` anew when the archive has changed."""
    session, labels = shell.session, shell.labels
    with gr.Row(elem_classes="rs-controls"):
        modality, part = stated_controls(labels, "rs-add")
        keep = labels.name(gr.Checkbox(False, scale=2, min_width=260, elem_id="rs-add-keep"), label="add.keep")
        take = gr.UploadButton(file_count="multiple", variant="primary", scale=1, min_width=200, elem_id="rs-add-files")
        stop = labels.name(
            gr.Button(visible=False, variant="stop", scale=0, min_width=90, elem_id="rs-add-stop"), value="archive.stop"
        )
    labels.name(take, label="add.files", value="add.files")
    status = box(elem_id="rs-add-status", elem_classes="rs-live")

    def add(
        sent: Sequence[str] | None,
        kind: str,
        of: str,
        kept: bool,
        uploaded: list[str],
        lang: Lang,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        files = [Path(name) for name in sent or ()]
        if not may_write(request):
            discard(files)
            yield f'<p class="rs-warn">{html.escape(say("add.admin", lang))}</p>', gr.skip(), gr.skip(), gr.skip()
            return
        asked = stated_kind(kind, of)
        for work in follow(lambda now, halted: add_studies(session, files, asked, now, halted, keep=kept)):
            if work.is_done:
                picker = gr.Dropdown(choices=choices_of(session, uploaded, lang))
                yield _answer(session, work, lang), gr.Button(visible=False), changed(lang), picker
            else:
                yield _bar(work, lang), gr.Button(visible=True), gr.skip(), gr.skip()

    out = [status, stop, counted, shell.study]
    adding = take.upload(
        add, [take, modality, part, keep, shell.uploaded, shell.lang], out,
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
    session: Session,
    files: Sequence[Path],
    stated: StatedKind,
    progress: Progress,
    stopped: Stopped,
    *,
    keep: bool = False,
) -> Added:
    """Add the studies of an upload to the session's index, and open it again; the files sent are deleted.

    `stated`: what the images are of where their files do not say.
    `keep`: copies of them stay beside the index, where the viewer finds them.

    Raises `CancelledError` once `stopped()` (studies committed by then stay), and as `gather` and `build_index` do.
    """
    if session.index is None:
        raise CancelledError
    with session.engine() as engine:
        encoder = engine.encoder
    index, before = session.index, set(session.study_keys())

    def new() -> tuple[str, ...]:
        with LocalStore.open(index) as store:  # as it is on disk
            return tuple(key for key in store.study_keys() if key not in before)

    place: AbstractContextManager[Path] = keeping_folder(index, lambda: bool(new())) if keep else upload_folder()
    try:
        with place as folder:
            gather(files, folder)
            watched = _Watched(encoder, progress, stopped)
            report = build_index(
                folder,
                index,
                encoder=watched,
                modality=stated.modality or None,
                body_part=stated.body_part or None,
                workers=1,
                progress=_asking(progress, stopped),
            )
    finally:
        discard(files)
        progress("reopen", 0, None)
        session.reopen()
    return Added(report, new())


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


def _bar(work: Work[Added], lang: Lang) -> str:
    step, done, _ = work.step
    return bar(html.escape(say(f"add.{step or 'find'}", lang, done=done)))


def _answer(session: Session, work: Work[Added], lang: Lang) -> str:
    if work.result is None:
        return trouble(work.error or CancelledError(), lang)
    report, keys = work.result.report, work.result.keys
    fill = {
        "studies": report.studies,
        "slices": report.slices,
        "already": report.already,
        "generation": report.generation,
    }
    opening = "".join(
        f'<li><button type="button" class="rs-go" data-open="{html.escape(case.key)}">'
        f"{html.escape(case_label(case, lang))}</button></li>"
        for case in session.named(keys[:_OPENED])
    )
    said = f'<p class="rs-good">{html.escape(say("add.done", lang, **fill))}</p>'
    return f'{said}<ul class="rs-chips">{opening}</ul>{_unused(report.skipped, lang)}'


def _unused(skipped: Sequence[Skipped], lang: Lang) -> str:
    """Return the files that were not used as a table that can be taken away."""
    if not skipped:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(Path(one.path).name)}</td><td><code>{html.escape(one.reason_code)}</code></td>"
        f"<td>{html.escape(say_or(f'code.{one.reason_code}', lang, one.message))}</td></tr>"
        for one in skipped[:_NAMED]
    )
    heads = "".join(f'<th scope="col">{html.escape(say(f"add.{name}", lang))}</th>' for name in ("file", "code", "why"))
    more = len(skipped) - _NAMED
    rest = f'<p class="rs-hint">{html.escape(say("bring.more", lang, count=more))}</p>' if more > 0 else ""
    head = html.escape(say("add.skipped", lang, count=len(skipped)))
    table = f'<table class="rs-table"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return (
        f'<details class="rs-skipped"><summary>{head}</summary>{table}{table_tools("not-used", lang)}{rest}</details>'
    )
