"""The worklist in the page: screened when asked, sorted by calibrated risk, a row opens its study at the key slice."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import gradio as gr

from radseek.app.archive_state import archive_of
from radseek.app.session import Session
from radseek.app.worklist import WorklistRow
from radseek.demo.page.background_job import Progress, Stopped, Work, bar, follow
from radseek.demo.page.error_message import trouble
from radseek.demo.page.finding_table import view_label
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.shell import QUIET, Shell, box
from radseek.demo.page.study_picker import case_label
from radseek.prompts.catalogue import find
from radseek.retrieval.explain.claims.wording import bounded
from radseek.retrieval.index.store import Case

__all__ = ["worklist_html", "worklist_panel"]

_SHOWN: Final = 200  # rows in the page; the file has all


def worklist_panel(shell: Shell) -> None:
    """Build the panel."""
    session, labels = shell.session, shell.labels
    with gr.Row(elem_classes="rs-controls"):
        run = labels.name(gr.Button(variant="primary", scale=0, min_width=240, elem_id="rs-work-run"), value="work.run")
        stop = labels.name(
            gr.Button(visible=False, variant="stop", scale=0, min_width=90, elem_id="rs-work-stop"),
            value="archive.stop",
        )
    status = box(elem_classes="rs-live", elem_id="rs-work-status")
    table = box(elem_id="rs-work-table")

    def screening(lang: Lang) -> Iterator[tuple[Any, ...]]:
        for work in follow(lambda stated, stopped: _job(session, stated, stopped)):
            yield _step(session, work, lang, shell.base)

    def halt(lang: Lang) -> tuple[Any, ...]:
        done, total = len(archive_of(session).screening.worklist()), session.count()
        said = f'<p class="rs-hint">{html.escape(say("work.part", lang, done=done, total=total))}</p>'
        return said, worklist_html(session, lang, shell.base), gr.Button(visible=False)

    running = run.click(screening, [shell.lang], [status, table, stop], concurrency_limit=2, **QUIET)
    stop.click(halt, [shell.lang], [status, table, stop], cancels=[running], queue=False, api_visibility="private")
    shell.speak(lambda lang: ("", worklist_html(session, lang, shell.base)), [], [status, table])


def worklist_html(session: Session, lang: Lang, base: str) -> str:
    """Return the worklist of what was screened so far as a table; "" before anything was."""
    rows = archive_of(session).screening.worklist()
    if not rows:
        return ""
    cases = {case.key: case for case in session.named([row.study for row in rows[:_SHOWN]])}
    calibrated = sum(row.probability is not None for row in rows)
    stated = say("work.done", lang, count=len(rows), calibrated=calibrated)
    if len(rows) > _SHOWN:
        stated += " " + say("work.shown", lang, count=_SHOWN)
    names = ("rank", "study", "finding", "probability", "state", "slice")
    heads = "".join(f'<th scope="col">{html.escape(say(f"work.{name}", lang))}</th>' for name in names)
    shown = list(enumerate(rows, 1))[:_SHOWN]
    body = "".join(_row(rank, row, cases[row.study], lang) for rank, row in shown if row.study in cases)
    link = f'<a class="rs-file" href="{base}/archive/worklist.csv" download>{html.escape(say("work.export", lang))}</a>'
    return (
        f'<p>{link}</p><table class="rs-table"><caption>{html.escape(stated)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _job(session: Session, stated: Progress, stopped: Stopped) -> None:
    archive_of(session).screening.run(lambda done, total: stated("screen", done, total), stopped)


def _step(session: Session, work: Work[None], lang: Lang, base: str) -> tuple[Any, ...]:
    if not work.is_done:
        _, done, total = work.step
        text = html.escape(say("work.step", lang, done=done, total=total or session.count()))
        return bar(text, done, total), gr.skip(), gr.Button(visible=True)
    said = "" if work.error is None else trouble(work.error, lang)
    return said, worklist_html(session, lang, base), gr.Button(visible=False)


def _row(rank: int, row: WorklistRow, case: Case, lang: Lang) -> str:
    at = {"study": row.study, "series": row.series, "view": row.view, "z": row.key_slice, "finding": row.finding}
    place = f' data-at="{html.escape(json.dumps(at))}"' if row.key_slice is not None else ""
    label = html.escape(case_label(case, lang))
    button = f'<button type="button" class="rs-go" data-open="{html.escape(row.study)}"{place}>{label}</button>'
    cells = (
        _cells(row, case, lang)
        if row.finding
        else [f'<td colspan="4" class="rs-none">{html.escape(say(f"work.{row.gap}", lang))}</td>']
    )
    return f'<tr><td class="rs-num">{rank}</td><th scope="row">{button}</th>{"".join(cells)}</tr>'


def _cells(row: WorklistRow, case: Case, lang: Lang) -> Sequence[str]:
    state = html.escape(say_or(f"state.{row.state}", lang, str(row.state)))
    chance = row.probability or 0.0
    meter = f'<span class="rs-chance" aria-hidden="true"><i style="width:{100 * chance:.0f}%"></i></span>'
    name = find(row.finding or "").names[lang]
    return (
        f"<td>{html.escape(name)}</td>",
        f'<td class="rs-num">{bounded(chance)} {meter}</td>',
        f'<td><span class="rs-state rs-state-{row.state}">{state}</span></td>',
        f"<td>{html.escape(_place(row, case, lang))}</td>",
    )


def _place(row: WorklistRow, case: Case, lang: Lang) -> str:
    if row.view is None or row.key_slice is None:
        return "–"
    depth = next((one.shape[0] for one in case.series if one.key == row.series and one.shape), 2)
    return view_label(row.view, row.key_slice, lang, deep=depth > 1)
