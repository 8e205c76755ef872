"""The map's points as plotly traces: which group each study is in, its colour, its mark, what it is called."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from radseek.app.embedding_map import EmbeddingMap
from radseek.app.worklist import Screened
from radseek.demo.page.page_words import Lang, say
from radseek.retrieval.index.catalog.where import OWN
from radseek.retrieval.index.store import Case

__all__ = ["by_column", "by_kind", "by_site", "by_state", "points_list", "traces"]

# Okabe and Ito's colours, distinguished by most colour-blind readers; marks differ too.
_COLOURS: Final = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#b8c2cc")
_MARKS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "circle-open")
_STATES: Final = ("present", "uncertain", "absent", "abstain")
_STATE_COLOURS: Final = {"present": "#f5b35c", "uncertain": "#d9cf7a", "absent": "#86d0a5", "abstain": "#aab6c0"}
_GROUPS: Final = 7  # that have a colour of their own; smaller ones share the last
_WEBGL: Final = 3000  # points above which the browser draws with its graphics card
_LISTED: Final = 100  # studies of a group in the list
Naming = Callable[[Case], str]


def by_kind(kind: Callable[[str, str], str]) -> Naming:
    """Name a study's group by modality and body part of its first series; `kind` says them."""
    return lambda case: kind(case.series[0].modality, case.series[0].body_part) if case.series else ""


def by_site(case: Case) -> str:
    """Name a study's group by the site that the archive's owner gave, else by its manufacturer; "" unknown."""
    return str(case.attributes.get("site") or case.attributes.get("manufacturer") or "")


def by_column(name: str) -> Naming:
    """Name a study's group by its value in a column of the archive's own; "" unknown."""
    return lambda case: str(case.attributes.get(OWN + name, ""))


def by_state(finding: str, scores: Mapping[str, Sequence[Screened]], lang: Lang) -> Naming:
    """Name a study's group by the state of a finding in it."""

    def name(case: Case) -> str:
        state = next((one.state for one in scores.get(case.key, ()) if one.finding == finding), None)
        return say("map.unasked", lang) if state is None else say(f"state.{state}", lang)

    return name


def traces(
    drawn: EmbeddingMap, cases: Sequence[Case], naming: Naming, label: Callable[[Case], str], lang: Lang
) -> list[dict[str, Any]]:
    """Return one trace a group, the largest first: names, colours, places, and each point's label and study key."""
    known = {case.key: case for case in cases}
    points: dict[str, list[tuple[float, float, Case]]] = {}
    for key, (x, y) in zip(drawn.keys, drawn.places.tolist(), strict=True):
        if key in known:
            group = naming(known[key]) or say("map.unknown", lang)
            points.setdefault(group, []).append((x, y, known[key]))
    groups = sorted(points.items(), key=lambda one: (-len(one[1]), one[0]))
    kind = "scattergl" if len(drawn.keys) > _WEBGL else "scatter"
    states = {say(f"state.{state}", lang): state for state in _STATES}
    return [_trace(kind, place, name, part, states.get(name), label) for place, (name, part) in enumerate(groups)]


def points_list(traces: Sequence[Mapping[str, Any]], title: str, more: Callable[[int], str]) -> str:
    """Return the map's studies as HTML, for whoever has no pointer: a group each, its studies as buttons."""
    parts = []
    for trace in traces:
        keys, names = trace["customdata"], trace["labels"]
        rows = "".join(
            f'<li><button type="button" class="rs-go" data-open="{html.escape(key)}">{html.escape(name)}</button></li>'
            for key, name in list(zip(keys, names, strict=True))[:_LISTED]
        )
        rest = f"<li>{html.escape(more(len(keys) - _LISTED))}</li>" if len(keys) > _LISTED else ""
        parts.append(f'<h3>{html.escape(trace["title"])} ({len(keys)})</h3><ul class="rs-chips">{rows}{rest}</ul>')
    return f'<details class="rs-more rs-map-list"><summary>{html.escape(title)}</summary>{"".join(parts)}</details>'


def _trace(
    kind: str,
    place: int,
    name: str,
    points: Sequence[tuple[float, float, Case]],
    state: str | None,
    label: Callable[[Case], str],
) -> dict[str, Any]:
    labels = [label(case) for _, _, case in points]
    look = min(place, _GROUPS)
    colour = _STATE_COLOURS[state] if state else _COLOURS[look]
    size = 14 if len(points) < 50 else 8 if len(points) < 1000 else 5
    return {
        "type": kind,
        "mode": "markers",
        "title": name,
        "name": f"{html.escape(name)} ({len(points)})",  # plotly reads markup in names and hover texts
        "x": [round(x, 4) for x, _, _ in points],
        "y": [round(y, 4) for _, y, _ in points],
        "labels": labels,
        "text": [html.escape(one) for one in labels],
        "customdata": [case.key for _, _, case in points],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": colour, "symbol": _MARKS[look], "size": size, "opacity": 0.9},
    }
