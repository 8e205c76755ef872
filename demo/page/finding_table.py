"""The table of findings, as accessible HTML: rows are sorted and written here, nothing is computed."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radseek.demo.page.page_words import Lang, say, say_or
from radseek.demo.page.remarks import remarks
from radseek.demo.page.table_tools import table_tools
from radseek.prompts.finding import Finding
from radseek.retrieval.explain.claims.wording import bounded, view_name
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult

__all__ = ["Screened", "findings_table", "go_button", "ordered", "view_label"]

_RANK = {"present": 0, "absent": 2, "abstain": 4}


@dataclass(frozen=True, slots=True)
class Screened:
    """A screening answer with the findings it asked, by slug."""

    result: ScreenResult
    findings: Mapping[str, Finding]

    def name(self, row: FindingScore, lang: Lang) -> str:
        """Return what a row's finding is called."""
        return self.findings[row.finding].names[lang]


def ordered(rows: Sequence[FindingScore]) -> list[FindingScore]:
    """Return rows with what is claimed first: present, near an even chance, absent, uncalibrated, not judged.

    Only probabilities order within a group; margins of different findings do not compare, so those rows keep theirs.
    """

    def rank(row: FindingScore) -> tuple[int, float]:
        group = _RANK.get(row.state, 1 if row.probability is not None else 3)
        return group, -(row.probability or 0.0)

    return sorted(rows, key=rank)


def findings_table(answer: Screened, lang: Lang, place: str = "screen") -> str:
    """Return the table; a finding's button moves the viewer at `place` to its key slice with the heat map."""
    rows = ordered(answer.result.results)
    ends = [end for row in rows for end in (row.interval or ()) if row.interval] + [0.0]
    scale = (min(ends), max(ends))
    names = ("finding", "state", "probability", "margin", "score", "percentile", "place")
    heads = "".join(f'<th scope="col">{_word(f"screen.{name}", lang)}</th>' for name in names)
    version = answer.result.findings_version.split("+")[0]
    caption = html.escape(say("screen.caption", lang, count=len(rows), version=version))
    body = "".join(_row(answer, row, lang, place, scale) for row in rows)
    noise = f'<p class="rs-warn">{_word("screen.meaningless", lang)}</p>' if answer.result.encoder.meaningless else ""
    noise += remarks((), answer.result.suggestions, lang)
    return (
        f'{noise}<table class="rs-table rs-findings"><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>{table_tools('findings', lang)}"
        f'<p class="rs-hint">{_word("screen.legend", lang)}</p>{_prompts(answer, lang)}'
    )


def go_button(text: str, moves: Sequence[Mapping[str, Any]], *, kind: str = "rs-go", label: str = "") -> str:
    """Return a button that moves viewers; each move names its `place` and what `show` of the viewer takes."""
    aria = f' aria-label="{html.escape(label)}"' if label else ""
    return (
        f'<button type="button" class="{kind}" data-go="{html.escape(json.dumps(list(moves)))}"{aria}>{text}</button>'
    )


def view_label(view: str, z: int, lang: Lang, *, deep: bool = True) -> str:
    """Return where a slice is, as text; people count slices from 1, the Volume from 0."""
    named = say_or(f"view.{view}", lang, view_name(view, lang))
    return say("screen.slice", lang, view=named, z=z + 1) if deep else say("screen.image", lang, view=named)


def _row(answer: Screened, row: FindingScore, lang: Lang, place: str, scale: tuple[float, float]) -> str:
    name = html.escape(answer.name(row, lang))
    if row.view is not None and row.key_slice is not None:
        move = {"place": place, "study": row.study, "series": row.series, "view": row.view, "z": row.key_slice}
        finding = answer.findings[row.finding]
        asked = row.finding if not row.finding.startswith("free_") else finding.names["zh"]
        name = go_button(name, [{**move, "finding": asked}])
        where = html.escape(view_label(row.view, row.key_slice, lang))
        if row.stands_out is False:
            where += f'<span class="rs-why">{_word("screen.flat", lang)}</span>'
    else:
        where = "–"
    chance = "–" if row.probability is None else bounded(row.probability)  # as the summary writes it
    numbers = [chance, _bar(row, scale, lang), _number(row.score, 2), _number(row.percentile, 0)]
    probability, bar, score, percentile = numbers
    return (
        f'<tr data-finding="{html.escape(row.finding)}"><th scope="row">{name}</th><td>{_state(row, lang)}</td>'
        f'<td class="rs-num">{probability}</td><td>{bar}</td><td class="rs-num">{score}</td>'
        f'<td class="rs-num">{percentile}</td><td>{where}</td></tr>'
    )


def _state(row: FindingScore, lang: Lang) -> str:
    why = (
        f'<span class="rs-why">{html.escape(say_or(f"reason.{row.reason}", lang, row.reason))}</span>'
        if row.reason
        else ""
    )
    if row.not_told_apart:
        why += f'<span class="rs-why">{_word("screen.not_told_apart", lang)}</span>'
    return f'<span class="rs-state rs-state-{row.state}">{_word(f"state.{row.state}", lang)}</span>{why}'


def _bar(row: FindingScore, scale: tuple[float, float], lang: Lang) -> str:
    if row.margin is None or row.interval is None:
        return "–"
    low, high = row.interval
    wide = (scale[1] - scale[0]) or 1.0

    def at(value: float) -> float:
        return round(100 * min(max((value - scale[0]) / wide, 0.0), 1.0), 1)

    label = say("screen.bar", lang, margin=f"{row.margin:+.3f}", low=f"{low:+.3f}", high=f"{high:+.3f}")
    return (
        f'<span class="rs-bar" role="img" aria-label="{html.escape(label)}" title="{html.escape(label)}">'
        f'<u style="left:{at(0.0)}%"></u><i style="left:{at(low)}%;width:{at(high) - at(low):.1f}%"></i>'
        f'<b style="left:{at(row.margin)}%"></b></span>'
    )


def _prompts(answer: Screened, lang: Lang) -> str:
    """Return the sentences used for free words: they are the engine's, so whoever asked should see them."""
    free = [one for one in answer.findings.values() if one.name.startswith("free_")]
    if not free:
        return ""
    items = "".join(
        f"<li>{html.escape(present)} / {html.escape(absent)}</li>"
        for one in free
        for present, absent in zip(one.present, one.absent, strict=True)
    )
    return f'<details class="rs-more"><summary>{_word("screen.prompts", lang)}</summary><ul>{items}</ul></details>'


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _word(name: str, lang: Lang) -> str:
    return html.escape(say(name, lang))
