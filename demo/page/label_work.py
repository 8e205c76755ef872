"""What readers' labels are for: evaluate, calibrate and probe started from the page, and how far readers agree."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import gradio as gr

from radseek.app.archive_state import archive_of
from radseek.app.reader_agreement import agreement
from radseek.app.session import Session
from radseek.app.upload_folder import upload_folder
from radseek.app.verdict_labels import labels_csv, labels_of
from radseek.demo.page.add_studies import may_write
from radseek.demo.page.background_job import Work, bar, follow
from radseek.demo.page.error_message import trouble
from radseek.demo.page.map_panel import finding_choices
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import Shell, box
from radseek.demo.page.table_tools import table_tools
from radseek.index_builder.labels.evaluate_archive import calibrate_archive, evaluate_archive
from radseek.index_builder.labels.labelled_index import labelled_index
from radseek.prompts.catalogue import find
from radseek.retrieval.evaluation.calibration_fit import Unfit
from radseek.retrieval.evaluation.probe_index import probe_index
from radseek.retrieval.scoring.probe_files import write_probe
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["agreement_html", "label_work", "work_on_labels"]

_WORKS: Final = ("evaluate", "calibrate", "probe")
Rows = list[list[str]]


def label_work(shell: Shell) -> None:
    """Build the part: agreement, three buttons, and the result of the last."""
    session, labels = shell.session, shell.labels
    agreed = box(agreement_html(session, "en"), elem_id="rs-agreement", elem_classes="rs-live")
    with gr.Row(elem_classes="rs-controls"):
        asked = finding_choices(session, "en")
        finding = gr.Dropdown(
            asked, value=asked[0][1] if asked else None, scale=2, min_width=200, elem_id="rs-labels-finding"
        )
        buttons = {
            name: labels.name(gr.Button(scale=1, min_width=130, elem_id=f"rs-labels-{name}"), value=f"labels.{name}")
            for name in _WORKS
        }
    labels.set(finding, lambda lang: {"label": say("labels.probed", lang), "choices": finding_choices(session, lang)})
    result = box(elem_id="rs-labels-result", elem_classes="rs-live")

    def start(work: str) -> Callable[..., Iterator[Any]]:
        def run(lang: Lang, name: str | None, request: gr.Request) -> Iterator[Any]:
            if work != "evaluate" and not may_write(request):
                yield f'<p class="rs-warn">{_word("labels.admin", lang)}</p>', gr.skip()
                return
            for step in follow(lambda progress, stopped: work_on_labels(session, work, name or "", lang)):
                yield _step(step, work, lang), agreement_html(session, lang)

        return run

    for name, button in buttons.items():
        button.click(
            start(name), [shell.lang, finding], [result, agreed],
            concurrency_limit=1, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
    shell.speak(lambda lang: (agreement_html(session, lang), ""), [], [agreed, result])


def agreement_html(session: Session, lang: Lang) -> str:
    """Return how far each pair of readers agrees as a table; a sentence where there is no pair."""
    log = archive_of(session).log
    pairs = [] if log is None else agreement(log.read().verdicts)
    if not pairs:
        return f'<p class="rs-hint">{_word("labels.one_reader", lang)}</p>'
    rows = [
        [_reader(one.one, lang), _reader(one.other, lang), str(one.both), str(one.alike),
         say("labels.no_kappa", lang) if one.kappa is None else f"{one.kappa:.2f}"]
        for one in pairs
    ]  # fmt: skip
    return _table(("reader_one", "reader_other", "both", "alike", "kappa"), rows, "agreement", lang)


def work_on_labels(session: Session, work: str, finding: str, lang: Lang) -> str:
    """Evaluate, calibrate or probe with the labels that the verdicts fix, and return the result as HTML.

    Raises as `evaluate_archive`, `calibrate_archive` and `probe_index` do.
    """
    log, index = archive_of(session).log, session.index
    fixed = () if log is None else labels_of(log.read().verdicts).labels
    if index is None or not fixed:
        return f'<p class="rs-hint">{_word("labels.none", lang)}</p>'
    with upload_folder() as folder:
        path = folder / "labels.csv"
        path.write_text(labels_csv(fixed), encoding="utf8")
        if work == "evaluate":
            rows: Rows = _evaluated(index, path, lang)
            heads: Sequence[str] = ("finding", "studies", "with", "auroc", "precision")
        elif work == "calibrate":
            rows, heads = _calibrated(index, path, lang), ("finding", "kind", "said")
        else:
            with labelled_index(index, path, [find(finding)]) as opened:
                report = probe_index(
                    opened.store, TextVectors(opened.encoder), opened.table, find(finding).name, labels="verdicts"
                )
            write_probe(index, report.probe)
            rows = [
                ["0", str(report.curve.zero_shot)],
                *([str(p.labels), str(p.few_shot)] for p in report.curve.points),
            ]
            heads = ("labels", "auroc")
    if work != "evaluate":
        session.reopen()
    return _table(heads, rows, work, lang)


def _evaluated(index: Any, path: Any, lang: Lang) -> Rows:
    rows = []
    for one in evaluate_archive(index, path).results:
        name, found = one.finding.names[lang], one.measures
        if found is None:
            rows.append([name, "–", "–", say("labels.one_answer", lang), "–"])
        else:
            rows.append([name, str(found.images), str(found.positives), str(found.auroc), str(found.average_precision)])
    return rows


def _calibrated(index: Any, path: Any, lang: Lang) -> Rows:
    rows = []
    for one in calibrate_archive(index, path).rows:
        found = one.found
        said = say(f"unfit.{found.reason}" if isinstance(found, Unfit) else "labels.fitted", lang)
        size = say("labels.volumes" if one.kind.many else "labels.images", lang)
        rows.append([find(one.finding).names[lang], f"{one.kind.view_class} · {size}", said])
    return rows


def _step(work: Work[str], name: str, lang: Lang) -> str:
    if not work.is_done:
        return bar(html.escape(say("labels.working", lang, what=say(f"labels.{name}", lang), seconds=work.seconds)))
    return trouble(work.error, lang) if work.error is not None else str(work.result)


def _table(heads: Sequence[str], rows: Rows, name: str, lang: Lang) -> str:
    top = "".join(f'<th scope="col">{_word(f"labels.{head}", lang)}</th>' for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<table class="rs-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f"{table}{table_tools(name, lang)}"


def _reader(name: str, lang: Lang) -> str:
    return name or say("labels.unnamed", lang)


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
