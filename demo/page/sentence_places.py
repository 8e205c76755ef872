"""From a sentence of a report to its images: the key slice of what the sentence says, as the engine reads the study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radseek.app.session import Session
from radseek.prompts.catalogue import find
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.search.search_results import SentenceRow

__all__ = ["sentence_places"]

_ORDER = {"present": 0, "uncertain": 1, "absent": 2}


def sentence_places(session: Session, rows: Sequence[SentenceRow], asked: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return where the viewer goes for each sentence: series, view and slice of a finding that it names.

    Args:
        session: whose archive holds the studies.
        rows: the sentences.
        asked: findings that were searched for; of several that a sentence names, one of these comes first.

    Returns:
        By the row's rank; none for a sentence that names no finding, or one that no view of the study is read for.
    """
    named = {row.rank: name for row in rows if (name := _finding(row.text, asked))}
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row.rank in named:
            wanted.setdefault(row.study, set()).add(named[row.rank])
    found = {(study, name): place for study, names in wanted.items() for name, place in _places(session, study, names)}
    return {row.rank: found[at] for row in rows if (at := (row.study, named.get(row.rank, ""))) in found}


def _finding(text: str, asked: Sequence[str]) -> str:
    said = sorted(findings_in(text), key=lambda one: (one.finding not in asked, _ORDER.get(one.polarity, 3)))
    return said[0].finding if said else ""


def _places(session: Session, study: str, names: set[str]) -> list[tuple[str, dict[str, Any]]]:
    try:
        with session.engine() as engine:
            rows = engine.screen(session.target(study), [find(name) for name in sorted(names)]).results
    except RadseekError:  # the sentence stands without its place
        return []
    return [
        (row.finding, {"study": study, "series": row.series, "view": row.view, "z": row.key_slice})
        for row in rows
        if row.view is not None and row.key_slice is not None
    ]
