"""What a study and a similar case have in common, and in what they differ: findings as chips, by report or by score."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Final

from radseek.app.session import Session
from radseek.demo.page.page_words import Lang, say
from radseek.prompts.finding import Finding
from radseek.retrieval.language.report_findings import report_says

__all__ = ["Says", "chips", "said_of_query"]

Says = Mapping[str, str]  # a finding's slug, and whether it is present or absent
_CLEAR: Final = ("present", "absent")
_MOST: Final = 8  # chips of a case


def said_of_query(session: Session, key: str, findings: Mapping[str, Finding]) -> dict[str, str]:
    """Return what is known of a study: what its report says, and where that is silent what a calibrated score says.

    Args:
        session: where the study is.
        key: its key.
        findings: which findings matter, by slug.

    Returns:
        "present" or "absent" for each finding of which one is known.

    Raises:
        UnknownNameError: there is no such study.
    """
    if not findings:
        return {}
    with session.engine() as engine:
        rows = engine.screen(session.target(key), list(findings.values())).results
    known = {row.finding: row.state for row in rows if row.state in _CLEAR and row.probability is not None}
    report = None if session.is_uploaded(key) else session.case(key).report
    told = report_says(report, findings.values()) if report else {}
    return {**known, **{name: value for name, value in told.items() if value in _CLEAR}}


def chips(query: Says, report: str | None, findings: Mapping[str, Finding], lang: Lang) -> str:
    """Return what a case's report shares with the study, and where it differs; "" where nothing can be compared.

    Args:
        query: what is known of the study.
        report: the case's report.
        findings: by slug, for their names.
        lang: the page's language.

    Returns:
        HTML.
    """
    if not report or not query:
        return ""
    case = report_says(report, findings.values())
    both = [name for name in query if case.get(name) in _CLEAR]
    shared = [name for name in both if query[name] == case[name] == "present"]
    differing = [name for name in both if query[name] != case[name]]
    drawn = [_chip("shared", "present", findings[name].names[lang], "", lang) for name in shared]
    drawn += [_chip("differs", case[name], findings[name].names[lang], case[name], lang) for name in differing]
    return f'<p class="rs-shared">{"".join(drawn[:_MOST])}</p>' if drawn else ""


def _chip(kind: str, state: str, name: str, there: str, lang: Lang) -> str:
    label = say(f"similar.{kind}", lang, name=name) if not there else say(f"similar.only_{there}", lang, name=name)
    style = f"rs-state rs-state-{state}" if kind == "shared" else "rs-state"
    text = html.escape(label)
    return f'<span class="rs-said-chip rs-chip-{kind}"><span class="{style}">{text}</span></span> '
