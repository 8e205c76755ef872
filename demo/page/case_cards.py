"""Similar cases as cards: how alike, which slices matched, what the report says."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from radseek.app.session import Session
from radseek.demo.page.finding_table import go_button
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.remarks import remarks
from radseek.demo.page.report_sentences import marked_report
from radseek.demo.page.shared_findings import Says, chips
from radseek.demo.page.study_picker import label_of
from radseek.demo.page.thumbnails import series_of, thumb
from radseek.prompts.finding import Finding
from radseek.retrieval.explain.claims.wording import bounded, view_name
from radseek.retrieval.search.ranking import Match
from radseek.retrieval.search.search_results import Contrast, ContrastRow, SimilarResult, SimilarRow

__all__ = ["Compared", "case_cards", "pair_moves"]

_PAIRS = 2  # of a case
_SHOWN = 3  # pictures of the query


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer, and the findings whose sentences are marked in the reports."""

    result: SimilarResult
    findings: Mapping[str, Finding]
    says: Says = field(default_factory=dict)  # what is known of the study asked about
    refused: tuple[str, ...] = ()  # cases that the reader refused
    asked: tuple[str, tuple[str, ...], str | None] = ("", (), None)  # words, filters and mask of the question

    @property
    def query(self) -> str:
        """The key of the study that was asked about."""
        return str(self.result.query["study"])

    @property
    def first(self) -> SimilarRow | None:
        """The case to show first."""
        return next(iter(self.result.results), None)


def case_cards(session: Session, answer: Compared, lang: Lang) -> str:
    """Return the cases as a list, and before them the two sides of a contrast where one was asked for."""
    result = answer.result
    title = f'<h2 class="rs-sr">{_word("tab.similar", lang)}</h2>'
    parts = [
        title,
        _asked(session, answer, lang),
        f'<p class="rs-hint">{_word("similar.lead", lang)}</p>',
        _region(result.query.get("mask"), lang),
    ]
    parts.append(remarks(result.notes, result.suggestions, lang))
    if result.contrast is not None:
        parts.append(_contrast(session, answer, result.contrast, lang))
    if not result.results:
        parts.append(f'<p class="rs-hint" role="status">{html.escape(_nothing(result, lang))}</p>')
    nearest = sorted(result.results, key=lambda row: row.other_kind is True)  # of the same kind first
    parts.append(_list([_card(session, answer, row, lang) for row in nearest]))
    return "".join(parts)


def _asked(session: Session, answer: Compared, lang: Lang) -> str:
    """Return the query as pictures, one a view at the slice that matched best, and what was refused."""
    matched = {match.view: match for row in reversed(answer.result.results) for match in reversed(row.matches)}
    drawn = "".join(
        thumb(session, answer.query, series_of(session, answer.query, match.view, match.query_slice), match.view,
              match.query_slice, f"{say('viewer.query', lang)} {match.query_slice + 1}")
        for match in list(matched.values())[:_SHOWN]
    )  # fmt: skip
    chips = "".join(
        f'<li><button type="button" class="rs-chip" data-do="unrefuse" data-of="{html.escape(key)}">'
        f"{html.escape(say('similar.refused', lang, name=label_of(session, key, lang)))}</button></li>"
        for key in answer.refused
    )
    refused = f'<ul class="rs-chips">{chips}</ul>' if chips else ""
    return f'<div class="rs-query"><span class="rs-two">{drawn}</span></div>{refused}' if drawn else refused


def _nothing(result: SimilarResult, lang: Lang) -> str:
    """Say why there is no case."""
    far = result.nothing_close_enough
    if far is None:
        return say("similar.none", lang)
    return say("similar.nothing_close", lang, best=f"{far.best:.3f}", floor=f"{far.floor:.3f}")


def pair_moves(session: Session, query: str, case: str, match: Match) -> list[dict[str, Any]]:
    """Return where both viewers go for a pair of slices that matched; `linked`: they scroll together from there."""
    sides = (("query", query, match.query_slice), ("case", case, match.case_slice))
    return [
        {
            "place": place,
            "study": key,
            "series": series_of(session, key, match.view, z),
            "view": match.view,
            "z": z,
            "linked": True,
        }
        for place, key, z in sides
    ]


def _contrast(session: Session, answer: Compared, contrast: Contrast, lang: Lang) -> str:
    name = contrast.name.get(lang) or contrast.finding
    sides = (("with", contrast.present), ("without", contrast.absent))
    columns = "".join(_side(session, answer, contrast, side, rows, name, lang) for side, rows in sides)
    neither = ""
    if contrast.neither:
        text = say("similar.neither", lang, neither=contrast.neither, looked=contrast.looked_at)
        neither = f'<p class="rs-hint">{html.escape(text)}</p>'
    return f'<div class="rs-sides">{columns}</div>{neither}'


def _side(
    session: Session,
    answer: Compared,
    contrast: Contrast,
    side: str,
    rows: Sequence[ContrastRow],
    name: str,
    lang: Lang,
) -> str:
    head = html.escape(say(f"similar.{side}", lang, name=name))
    cards = [_card(session, answer, row.case, lang, _because(row, lang)) for row in rows]
    none = html.escape(say("similar.side_none", lang, looked=contrast.looked_at))
    body = _list(cards) if cards else f'<p class="rs-hint">{none}</p>'
    return f'<section class="rs-side rs-side-{side}"><h3>{head}</h3>{body}</section>'


def _because(row: ContrastRow, lang: Lang) -> str:
    if row.source == "report":
        return say("similar.by_report", lang, sentence=row.sentence or "")
    return say("similar.by_score", lang, probability=bounded(row.probability or 0.0))


def _card(session: Session, answer: Compared, row: SimilarRow, lang: Lang, because: str = "") -> str:
    label = label_of(session, row.study, lang)
    score = html.escape(say("similar.score", lang, score=f"{row.score:.3f}"))
    pairs = "".join(_pair(session, answer.query, row.study, match, lang) for match in row.matches[:_PAIRS])
    why = f'<p class="rs-why">{html.escape(because)}</p>' if because else ""
    if row.other_kind is not False:
        mark, style = ("other_kind", "rs-warn") if row.other_kind else ("unknown_kind", "rs-hint")
        why = f'<p class="{style}">{_word(f"similar.{mark}", lang)}</p>{why}'
    if row.is_copy:
        why = f'<p class="rs-warn">{_word("similar.is_copy", lang)}</p>{why}'
    if row.copies:
        why += f'<p class="rs-hint">{html.escape(say("similar.copies", lang, count=len(row.copies)))}</p>'
    named = html.escape(f"{say('similar.open', lang)}: {label}")
    opening = (
        f'<button type="button" class="rs-go" data-open="{html.escape(row.study)}" '
        f'aria-label="{named}">{_word("similar.open", lang)}</button>'
        f'<button type="button" class="rs-go" data-open="{html.escape(row.study)}" data-tab="similar" '
        f'aria-label="{_word("similar.more", lang)}: {html.escape(label)}">{_word("similar.more", lang)}</button>'
        f'<button type="button" class="rs-go" data-do="refuse" data-of="{html.escape(row.study)}" '
        f'aria-label="{_word("similar.less", lang)}: {html.escape(label)}">{_word("similar.less", lang)}</button>'
    )
    compared = chips(answer.says, row.report, answer.findings, lang)
    return (
        f'<article class="rs-card"><header><span class="rs-rank">{row.rank}</span><h3>{html.escape(label)}</h3>'
        f'<span class="rs-num">{score}</span></header>{why}{compared}<div class="rs-pairs">{pairs}</div>'
        f"{marked_report(row.report, answer.findings, lang)}<footer>{opening}</footer></article>"
    )


def _pair(session: Session, query: str, case: str, match: Match, lang: Lang) -> str:
    moves = pair_moves(session, query, case, match)
    numbers = {"query": match.query_slice + 1, "case": match.case_slice + 1}  # people count from 1
    label = say("similar.pair", lang, **numbers, value=f"{match.similarity:.3f}")
    pictures = "".join(
        thumb(
            session,
            move["study"],
            move["series"],
            match.view,
            move["z"],
            f"{say('viewer.' + move['place'], lang)} {move['z'] + 1}",
        )
        for move in moves
    )
    view = say_or(f"view.{match.view}", lang, view_name(match.view, lang))
    caption = html.escape(f"{view} {say('similar.pair_short', lang, **numbers)}")
    inside = f'<span class="rs-two">{pictures}</span><span class="rs-caption">{caption}</span>'
    return go_button(inside, moves, kind="rs-pair", label=label)


def _region(mask: Mapping[str, Any] | None, lang: Lang) -> str:
    if not mask:
        return ""
    shown = "".join(f"<li>{html.escape(str(one))}</li>" for one in mask.get("caveats", ()))
    text = html.escape(say("similar.mask_is", lang, name=mask.get("label", "")))
    return (
        f'<p class="rs-hint">{text}</p><ul class="rs-hint">{shown}</ul>' if shown else f'<p class="rs-hint">{text}</p>'
    )


def _list(cards: Sequence[str]) -> str:
    return f'<ol class="rs-cards">{"".join(f"<li>{card}</li>" for card in cards)}</ol>' if cards else ""


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
