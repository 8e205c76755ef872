"""The map of the archive: drawn when asked for, coloured as chosen, a click opens a study."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any, Final

import gradio as gr

from radseek.app.archive_state import archive_of
from radseek.app.embedding_map import EmbeddingMap
from radseek.app.session import Session
from radseek.app.worklist import NOT_ABNORMAL
from radseek.demo.page.background_job import Progress, Stopped, Work, bar, follow
from radseek.demo.page.error_message import trouble
from radseek.demo.page.map_plot import Naming, by_column, by_kind, by_site, by_state, points_list, traces
from radseek.demo.page.page_words import Lang, say
from radseek.demo.page.shell import EACH, QUIET, Shell, box
from radseek.demo.page.study_picker import case_label, kind_label
from radseek.prompts.catalogue import load_set
from radseek.prompts.set_choice import set_for
from radseek.retrieval.index.catalog.where import OWN

__all__ = ["finding_choices", "map_panel", "plotted"]

_BY: Final = ("kind", "finding", "site")
# The base is written into the script: a tab that is not shown yet loses its other properties when the language changes.
_LOAD: Final = """
const root = element.querySelector('.rs-map'), base = %s;
import(base + '/archive/archive.js').then((archive) => {
  archive.draw(root, base, props.value);
  watch('value', () => archive.draw(root, base, props.value));
});
"""


def map_panel(shell: Shell) -> None:
    """Build the panel."""
    session = shell.session
    colour, finding, draw, stop = _controls(shell)
    status = box(elem_classes="rs-live", elem_id="rs-map-status")
    place = gr.HTML(
        None,
        html_template='<div class="rs-map" hidden></div>',
        js_on_load=_LOAD % json.dumps(shell.base),
        apply_default_css=False,
        elem_id="rs-map",
    )
    listed = box(elem_id="rs-map-list")
    given, shown = [shell.lang, colour, finding], [status, place, listed, stop]

    def drawing(lang: Lang, by: str, name: str | None) -> Iterator[tuple[Any, ...]]:
        for work in follow(lambda progress, stopped: _job(session, by, progress, stopped)):
            yield _step(session, work, lang, by, name)

    def again(lang: Lang, by: str, name: str | None) -> tuple[Any, ...]:
        ready = by != "finding" or archive_of(session).screening.is_done()
        drawn = archive_of(session).drawn(session) if ready else None
        return (gr.skip(),) * 4 if drawn is None else _shown(session, drawn, lang, by, name)

    colour.change(lambda by: gr.Dropdown(visible=by == "finding"), [colour], [finding], **EACH)
    running = draw.click(drawing, given, shown, concurrency_limit=2, **QUIET)
    # A colour that needs the archive to be screened waits for the button.
    gr.on([colour.change, finding.change], again, given, shown, **EACH)
    stop.click(
        lambda lang: (f"<p>{html.escape(say('archive.stopped', lang))}</p>", gr.Button(visible=False)),
        [shell.lang], [status, stop], cancels=[running], queue=False, api_visibility="private",
    )  # fmt: skip
    shell.speak(again, [colour, finding], shown)


def _controls(shell: Shell) -> tuple[gr.Dropdown, gr.Dropdown, gr.Button, gr.Button]:
    """What the map is coloured by, the finding where that is one, and what draws it and stops the drawing."""
    session, labels = shell.session, shell.labels
    asked = finding_choices(session, "en")
    first = asked[0][1] if asked else None
    with gr.Row(elem_classes="rs-controls"):
        colour = gr.Dropdown(_by(session, "en"), value="kind", scale=3, min_width=220, elem_id="rs-map-by")
        finding = gr.Dropdown(asked, value=first, scale=3, min_width=220, visible=False, elem_id="rs-map-finding")
        draw = labels.name(
            gr.Button(variant="primary", scale=1, min_width=150, elem_id="rs-map-draw"), value="map.draw"
        )
        stop = labels.name(gr.Button(visible=False, variant="stop", scale=0, min_width=90), value="archive.stop")
    labels.set(colour, lambda lang: {"label": say("map.colour", lang), "choices": _by(session, lang)})
    labels.set(finding, lambda lang: {"label": say("map.finding", lang), "choices": finding_choices(session, lang)})
    return colour, finding, draw, stop


def plotted(session: Session, drawn: EmbeddingMap, lang: Lang, by: str, finding: str | None) -> list[dict[str, Any]]:
    """Return the map's traces, coloured as chosen."""
    cases = session.named(drawn.keys)
    return traces(drawn, cases, _naming(session, by, finding, lang), lambda case: case_label(case, lang), lang)


def finding_choices(session: Session, lang: Lang) -> list[tuple[str, str]]:
    """Return (name, slug) of the abnormal findings of every set that fits a stored study."""
    sets = sorted({name for kind in session.kinds() if (name := set_for(*kind)) is not None})
    named = {one.name: one.names[lang] for name in sets for one in load_set(name).findings}
    return sorted((text, slug) for slug, text in named.items() if slug not in NOT_ABNORMAL)


def _job(session: Session, by: str, progress: Progress, stopped: Stopped) -> EmbeddingMap:
    archive = archive_of(session)
    if by == "finding":
        archive.screening.run(lambda done, total: progress("screen", done, total), stopped)
    return archive.draw(session, progress, stopped)


def _step(session: Session, work: Work[EmbeddingMap], lang: Lang, by: str, finding: str | None) -> tuple[Any, ...]:
    if not work.is_done:
        step, done, total = work.step
        text = html.escape(say(f"map.{step or 'read'}", lang, done=done, total=total or 0, seconds=work.seconds))
        share = (None, None) if step == "lay_out" else (done, total)
        return bar(text, *share), gr.skip(), gr.skip(), gr.Button(visible=True)
    if work.error is not None or work.result is None:
        said = trouble(work.error or RuntimeError("nothing was drawn"), lang)
        return said, gr.skip(), gr.skip(), gr.Button(visible=False)
    return _shown(session, work.result, lang, by, finding)


def _shown(session: Session, drawn: EmbeddingMap, lang: Lang, by: str, finding: str | None) -> tuple[Any, ...]:
    count = len(drawn.keys)
    progress = [say(f"map.{drawn.method}", lang, shown=count)] if count else [say("map.empty", lang)]
    if count < drawn.total and count:
        progress.append(say("map.sampled", lang, shown=count, total=drawn.total))
    points = plotted(session, drawn, lang, by, finding)
    value = {"traces": points, "label": say("map.label", lang, count=count), "sorry": say("map.no_plot", lang)}
    value["list"] = say("map.chosen", lang)
    listed = points_list(points, say("map.list", lang), lambda more: say("bring.more", lang, count=more))
    said = f'<p class="rs-hint">{html.escape(" ".join(progress))}</p>'
    return said, value if count else None, listed, gr.Button(visible=False)


def _naming(session: Session, by: str, finding: str | None, lang: Lang) -> Naming:
    if by.startswith(OWN):
        return by_column(by.removeprefix(OWN))
    if by == "site":
        return by_site
    if by == "finding" and finding:
        screening = archive_of(session).screening
        return by_state(finding, {key: screening.of(key) for key in session.study_keys()}, lang)
    return by_kind(lambda modality, body: kind_label(modality, body, lang))


def _by(session: Session, lang: Lang) -> list[tuple[str, str]]:
    own = [(name, OWN + name) for name in session.own_columns()]
    return [*((say(f"map.by_{name}", lang), name) for name in _BY), *own]
