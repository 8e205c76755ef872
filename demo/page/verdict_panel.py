"""A reader's verdicts on the chosen study: what radseek says, agree or not, and the exports."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from radseek.app.archive_state import archive_of
from radseek.app.session import Session
from radseek.app.verdict_labels import labels_of
from radseek.app.verdicts import LONGEST_NOTE, OPINIONS, Verdict, encoder_id, latest, make_verdict
from radseek.demo.page.control_labels import Labels
from radseek.demo.page.error_message import answered, said
from radseek.demo.page.finding_table import ordered
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import EACH, QUIET, Shell, box
from radseek.demo.page.table_tools import table_tools
from radseek.prompts.catalogue import find, load_set
from radseek.retrieval.explain.claims.wording import bounded
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["save_verdict", "verdict_panel", "verdicts_html"]


class _Form(NamedTuple):
    """What a reader fills in, and what is shown beside it."""

    finding: gr.Dropdown
    claim: gr.HTML
    opinion: gr.Radio
    note: gr.Textbox
    reader: gr.Textbox
    save: gr.Button
    status: gr.HTML
    table: gr.HTML


def verdict_panel(shell: Shell) -> None:
    """Build the panel."""
    session = shell.session
    finding, claim, opinion, note, reader, save, status, table = _form(shell.labels)

    def study_changed(lang: Lang, key: str | None) -> tuple[Any, ...]:
        choices = _findings(session, key, lang)
        first = choices[0][1] if choices else None
        return (
            gr.Dropdown(choices=choices, value=first),
            _claim(session, lang, key, first),
            verdicts_html(session, lang, key, shell.base),
        )

    def speak(lang: Lang, key: str | None, name: str | None) -> tuple[Any, ...]:
        picker = gr.Dropdown(choices=_findings(session, key, lang), value=name)
        return picker, _claim(session, lang, key, name), verdicts_html(session, lang, key, shell.base)

    def saved(
        lang: Lang, key: str | None, name: str | None, choice: str | None, words: str, who: str
    ) -> tuple[Any, ...]:
        def answer() -> tuple[Any, ...]:
            if not key or not name or not choice:
                return said("verdict.choose", lang), gr.skip(), gr.skip(), gr.skip()
            save_verdict(session, key, name, choice, words, who)
            done = f'<p class="rs-good">{html.escape(say("verdict.saved", lang))}</p>'
            return done, None, "", verdicts_html(session, lang, key, shell.base)

        return answered(lang, answer, lambda trouble: (trouble, gr.skip(), gr.skip(), gr.skip()))

    shell.study.change(study_changed, [shell.lang, shell.study], [finding, claim, table], **EACH)

    def asked(lang: Lang, key: str | None, name: str | None) -> tuple[Any, ...]:
        return _claim(session, lang, key, name), None, ""

    finding.input(asked, [shell.lang, shell.study, finding], [claim, opinion, status], **QUIET)
    save.click(
        saved, [shell.lang, shell.study, finding, opinion, note, reader], [status, opinion, note, table], **QUIET
    )
    shell.speak(speak, [shell.study, finding], [finding, claim, table])


def _form(labels: Labels) -> _Form:
    with gr.Row(elem_classes="rs-columns"):
        with gr.Column(scale=5, min_width=420):
            finding = gr.Dropdown([], value=None, elem_id="rs-verdict-finding")
            claim = box(elem_id="rs-verdict-claim", elem_classes="rs-live")
            opinion = gr.Radio(_opinions("en"), value=None, elem_id="rs-verdict-opinion")
            note = gr.Textbox(lines=2, max_lines=6, max_length=LONGEST_NOTE, elem_id="rs-verdict-note")
            with gr.Row(elem_classes="rs-controls"):
                reader = gr.Textbox(max_lines=1, max_length=120, scale=3, min_width=180)
                save = gr.Button(variant="primary", scale=1, min_width=150, elem_id="rs-verdict-save")
            status = box(elem_id="rs-verdict-status", elem_classes="rs-live")
        with gr.Column(scale=6, min_width=420):
            table = box(elem_id="rs-verdict-table")
    labels.name(note, label="verdict.note")
    labels.name(reader, label="verdict.reader")
    labels.name(save, value="verdict.save")
    labels.name(finding, label="verdict.finding")
    labels.set(opinion, lambda lang: {"label": say("verdict.opinion", lang), "choices": _opinions(lang)})
    return _Form(finding, claim, opinion, note, reader, save, status, table)


def verdicts_html(session: Session, lang: Lang, key: str | None, base: str) -> str:
    """Return the last verdicts on a study, and what the whole log holds, with its exports."""
    log = archive_of(session).log
    if log is None:
        return ""
    read = log.read()
    here = [one for one in latest(read.verdicts) if one.study == key]
    title = f"<h2>{_word('verdict.here', lang)}</h2>"
    table = _table(here, lang) if here else f'<p class="rs-hint">{_word("verdict.none", lang)}</p>'
    fixed, studies = labels_of(read.verdicts), len({one.study for one in read.verdicts})
    counts = {"labels": len(fixed.labels), "disputed": fixed.disputed, "unsure": fixed.unsure}
    total = say("verdict.total", lang, verdicts=len(read.verdicts), studies=studies, **counts)
    torn = (
        f'<p class="rs-warn">{_word("verdict.torn", lang, count=len(read.unreadable))}</p>' if read.unreadable else ""
    )
    links = " ".join(
        f'<a class="rs-file" href="{base}/archive/{name}" download>{_word(f"verdict.{word}", lang)}</a>'
        for name, word in (("labels.csv", "labels"), ("verdicts.jsonl", "log"))
    )
    return f'{title}{table}<p class="rs-hint">{html.escape(total)}</p>{torn}<p>{links}</p>'


def save_verdict(session: Session, key: str, finding: str, opinion: str, note: str, reader: str) -> None:
    """Add a reader's verdict to the log, with what radseek says of the finding now.

    Args:
        session: where the study is, and beside whose index the log is.
        key: the study's.
        finding: its slug.
        opinion: agree, disagree or unsure.
        note: anything, or "".
        reader: who reads, or "".

    Raises:
        UsageError: no reader could have meant it.
        UnknownNameError: there is no such study.
        BusyError: another verdict is being written.
    """
    log = archive_of(session).log
    row = _row(session, key, finding)
    with session.engine() as engine:
        encoder = encoder_id(engine.encoder.spec)
    verdict = make_verdict(
        key, finding, opinion, state=row.state, score=row.score, probability=row.probability,
        encoder=encoder, note=note or "", reader=reader or "",
    )  # fmt: skip
    if log is not None:
        log.append(verdict)


def _row(session: Session, key: str, finding: str) -> FindingScore:
    with session.engine() as engine:
        return engine.screen(session.target(key), [find(finding)]).results[0]


def _claim(session: Session, lang: Lang, key: str | None, finding: str | None) -> str:
    if not key or not finding:
        return f'<p class="rs-hint">{_word("verdict.no_set" if key else "trouble.no_study", lang)}</p>'

    def answer() -> str:
        row = _row(session, key, finding)
        chance = "" if row.probability is None else f" ({bounded(row.probability)})"
        text = say(f"verdict.says_{row.state}", lang, chance=chance)
        return f'<p class="rs-claim rs-claim-{row.state}">{html.escape(text)}</p>'

    return answered(lang, answer, lambda trouble: trouble)


def _findings(session: Session, key: str | None, lang: Lang) -> list[tuple[str, str]]:
    if not key:
        return []
    return answered(lang, lambda: _of_set(session, key, lang), lambda _: [])


def _of_set(session: Session, key: str, lang: Lang) -> list[tuple[str, str]]:
    """Return (name, slug) of the findings of the set that fits a study, in the order of the Screen tab."""
    name = session.finding_set(key)
    if name is None:
        return []
    names = {one.name: one.names[lang] for one in load_set(name).findings}
    with session.engine() as engine:
        rows = engine.screen(session.target(key), name).results
    return [(names[row.finding], row.finding) for row in ordered(rows)]


def _table(verdicts: Sequence[Verdict], lang: Lang) -> str:
    names = ("finding", "shown", "opinion", "reader", "when")
    heads = "".join(
        f'<th scope="col">{_word(f"verdict.{name}", lang).split(",")[0].split("（")[0]}</th>' for name in names
    )
    body = "".join(_line(one, lang) for one in reversed(verdicts))
    table = f'<table class="rs-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f"{table}{table_tools('verdicts', lang)}"


def _line(one: Verdict, lang: Lang) -> str:
    chance = "" if one.probability is None else f" {bounded(one.probability)}"
    state = f'<span class="rs-state rs-state-{one.state}">{_word(f"state.{one.state}", lang)}</span>{chance}'
    note = f'<span class="rs-why">{html.escape(one.note)}</span>' if one.note else ""
    when = html.escape(one.time.replace("T", " ").rstrip("Z"))
    return (
        f'<tr><th scope="row">{html.escape(find(one.finding).names[lang])}</th><td>{state}</td>'
        f"<td>{_word(f'verdict.{one.verdict}', lang)}{note}</td><td>{html.escape(one.reader)}</td>"
        f'<td class="rs-num">{when}</td></tr>'
    )


def _opinions(lang: Lang) -> list[tuple[str, str]]:
    return [(say(f"verdict.{name}", lang), name) for name in OPINIONS]


def _word(name: str, lang: Lang, **fill: object) -> str:
    return html.escape(say(name, lang, **fill))
