"""An answer of `Engine.explain` as a page with its pictures, in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from radseek.app.case_images import CaseImages
from radseek.app.explain_target import Asked
from radseek.html.explain_cards import PICTURED, page_of
from radseek.html.explain_html import render_explanation
from radseek.html.explain_pictures import StudyPictures
from radseek.html.explain_words import words_in
from radseek.html.report_cards import provenance_line
from radseek.html.screen_report import Fact
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.engine import Engine, Findings
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.scoring.screening import choose_findings
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["explained_html", "write_explained"]


def write_explained(
    engine: Engine,
    asked: Asked,
    result: ExplainResult,
    findings: Findings,
    out: Path,
    *,
    index: Path | None = None,
    extra: Mapping[str, str] | None = None,
    pictured: int = PICTURED,
) -> Path:
    """Write the page of an answer to `out`, whose folder is made, and return that; see `explained_html`."""
    page = explained_html(engine, asked, result, findings, index=index, extra=extra, pictured=pictured)
    with writing_to(out.parent, len(page)):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    return out


def explained_html(
    engine: Engine,
    asked: Asked,
    result: ExplainResult,
    findings: Findings,
    *,
    index: Path | None = None,
    extra: Mapping[str, str] | None = None,
    pictured: int = PICTURED,
) -> str:
    """Return the page of an answer; `extra`: what else was given, `mask` and `prior`; `pictured`: see `page_of`.

    Pictures of stored studies need the `index`'s linkage file and the files that it names.
    """
    words, vectors = words_in(result.lang), asked.vectors(engine)
    images = CaseImages(index, load_key(), {} if asked.study is None else {vectors.key: asked.study})
    try:
        study = images.study(vectors.key, vectors.kinds)
        pictures = StudyPictures(
            vectors,
            choose_findings(findings)[0],
            text_vectors=TextVectors(engine.encoder),
            judge=engine.judge,
            images=images,
            store=engine.store,
            words=words,
        )
        facts = [Fact(words.page[name], value) for name, value in (extra or {}).items() if value]
        series = () if study is None else study.series
        shown = [provenance_line(scrub(one.description), asdict(one.volume.provenance)) for one in series]
        return render_explanation(page_of(result, pictures, facts=facts, provenance=shown, pictured=pictured))
    finally:
        images.close()
