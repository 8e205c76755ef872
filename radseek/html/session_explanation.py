"""Explanations for the web page: one study of a session, as one HTML page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from radseek.app.explain_target import Asked
from radseek.app.session import Session
from radseek.demo.page.explanations import Question
from radseek.html.explain_file import explained_html
from radseek.retrieval.engine import Findings
from radseek.retrieval.errors import UsageError
from radseek.retrieval.explain.evidence import CaveatItem, Item, NeighbourItem
from radseek.retrieval.explain.explain_study import narrated
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.path_text import hide_paths
from radseek.retrieval.types import Study

__all__ = ["explain_html"]


def explain_html(session: Session, question: Question, progress: Callable[[int, int], None]) -> str:
    """Return an explanation as one HTML page without scripts, as `radseek explain --out` writes it.

    The engine is free for others while a model words the claims, which takes most of the time. `progress(done, of)` is
    called after each sentence; what it raises ends the work and is raised.

    Raises as `Engine.explain` and `load_narrator` do, and `UsageError` where a mask is to be measured, or a prior
    compared, and its study's images can no longer be read.
    """
    findings: Findings = question.findings if isinstance(question.findings, str) else list(question.findings)
    narrator = load_narrator(question.narrator)
    asked = _asked(session, question)
    prior = None if question.prior is None else _pixels(session, question.prior)
    with session.engine() as engine:
        measured = {"mask": question.mask, "prior": prior, "prior_mask": question.prior_mask}
        result = asked.explain(engine, findings, lang=question.lang, **measured)
    claims = len(result.summary)
    result = _without_paths(narrated(result, narrator, lambda done: progress(done, claims)))
    with session.engine() as engine:
        extra = {"mask": "" if question.mask is None else question.mask.name}
        return explained_html(engine, asked, result, findings, index=session.index, extra=extra)


def _without_paths(result: ExplainResult) -> ExplainResult:
    """Return an answer that does not say where anything lies: a page is read by others than who keeps the files."""
    items = tuple(_without_path(one) for one in result.evidence.items)
    spec = result.encoder
    spec = replace(spec, name=Path(spec.name).name) if Path(spec.name).is_absolute() else spec
    evidence = replace(result.evidence, path=None, items=items, encoder={**result.evidence.encoder, "name": spec.name})
    summary = tuple(replace(one, failures=tuple(map(hide_paths, one.failures))) for one in result.summary)
    return replace(result, evidence=evidence, encoder=spec, summary=summary)


def _without_path(item: Item) -> Item:
    if isinstance(item, NeighbourItem):
        return replace(item, path=None)
    if isinstance(item, CaveatItem):  # what a mask or a narrator lacked, in its own words
        return replace(item, text={lang: hide_paths(text) for lang, text in item.text.items()})
    return item


def _asked(session: Session, question: Question) -> Asked:
    """Return the study to explain: with its pixels where it was uploaded, or where a mask is to be measured."""
    target = session.target(question.study)
    if isinstance(target, Study):
        return Asked(None, study=target)
    case = session.case(question.study)
    return Asked(case.path, case=case) if question.mask is None else Asked(case.path, study=_pixels(session, case.key))


def _pixels(session: Session, key: str) -> Study:
    study = session.pixels(key)
    if study is None:
        raise UsageError(f"The files of study {key} can no longer be read where they were built from; upload them.")
    return study
