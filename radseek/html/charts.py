"""Charts of an evaluation as SVG: lines in a frame, and estimates with their intervals one under another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

__all__ = ["ChartLine", "ForestRow", "forest_plot", "line_chart"]

_SIDE: Final = 240.0  # SVG units of a chart's frame
_LEFT, _BOTTOM, _EDGE = 42.0, 38.0, 8.0
_MOST_POINTS: Final = 400  # of a line: more cannot be seen
_Place = Callable[[float, float], tuple[float, float]]  # values to SVG units
_ROW, _LABEL, _TRACK, _VALUE = 24.0, 250.0, 300.0, 170.0  # of a forest plot


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line through points `x`, `y`; `style` is the CSS class that draws it, `dots` says that its points are shown."""

    label: str
    x: Sequence[float] | NDArray[np.floating]
    y: Sequence[float] | NDArray[np.floating]
    style: str = "line"
    dots: bool = False


@dataclass(frozen=True, slots=True)
class ForestRow:
    """An estimate with its interval, in the chart's units, and what is said at its right."""

    label: str
    value: float
    low: float
    high: float
    said: str


def line_chart(
    lines: Sequence[ChartLine],
    x_label: str,
    y_label: str,
    *,
    x_range: tuple[float, float] = (0.0, 1.0),
    x_ticks: Sequence[float] = (0.0, 0.5, 1.0),
) -> Markup:
    """Draw lines whose y runs from 0 to 1, with a legend where there are several that have labels.

    Args:
        lines: drawn in this order; points outside the frame are drawn at its edge.
        x_label: what runs to the right.
        y_label: what runs upwards.
        x_range: the values at the frame's left and right edge.
        x_ticks: the values that are written under it.
    """
    low, high = x_range

    def at(x: float, y: float) -> tuple[float, float]:
        across = min(1.0, max(0.0, (x - low) / (high - low)))
        return _LEFT + across * _SIDE, _EDGE + (1 - min(1.0, max(0.0, y))) * _SIDE

    parts = [_frame(at, x_label, y_label, x_ticks)]
    parts += [_drawn(line, at) for line in lines]
    named = [line for line in lines if line.label]
    legend = [_legend(place, line) for place, line in enumerate(named)] if len(named) > 1 else []
    height = _EDGE + _SIDE + _BOTTOM + 16 * len(legend)
    label = f"{y_label} by {x_label}: {', '.join(line.label for line in named)}"
    return Markup(
        '<svg class="chart" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{label}">{inside}</svg>'
    ).format(w=_LEFT + _SIDE + _EDGE, h=height, label=label, inside=Markup("").join([*parts, *legend]))


def forest_plot(rows: Sequence[ForestRow], *, middle: float = 0.5) -> Markup:
    """Draw estimates from 0 to 1 one under another, with a rule at `middle`: what chance would reach."""
    height = _ROW * len(rows) + 26

    def across(value: float) -> float:
        return _LABEL + min(1.0, max(0.0, value)) * _TRACK

    ticks = Markup("").join(
        Markup('<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{value:g}</text>').format(
            x=across(value), y=height - 8, value=value
        )
        for value in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    rule = Markup('<line class="chance" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{h:.1f}"/>').format(
        x=across(middle), h=_ROW * len(rows) + 4
    )
    drawn = Markup("").join(
        Markup(
            '<text class="name" x="{end:.1f}" y="{text:.1f}" text-anchor="end">{label}</text>'
            '<line class="span" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            '<text class="value" x="{value:.1f}" y="{text:.1f}">{said}</text>'
        ).format(
            end=_LABEL - 14, label=row.label, x1=across(row.low), x2=across(row.high), x=across(row.value),
            y=_ROW * (place + 0.5) + 2, text=_ROW * (place + 0.5) + 6.5, value=_LABEL + _TRACK + 14, said=row.said,
        )
        for place, row in enumerate(rows)
    )  # fmt: skip
    label = "; ".join(f"{row.label} {row.said}" for row in rows)
    return Markup(
        '<svg class="forest" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{label}">{inside}</svg>'
    ).format(w=_LABEL + _TRACK + _VALUE, h=height, label=label, inside=Markup("").join([rule, drawn, ticks]))


def _frame(at: _Place, x_label: str, y_label: str, x_ticks: Sequence[float]) -> Markup:
    right, bottom = _LEFT + _SIDE, _EDGE + _SIDE
    lines = [
        Markup('<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{side:.0f}" height="{side:.0f}"/>').format(
            x=_LEFT, y=_EDGE, side=_SIDE
        )
    ]
    for value in (0.0, 0.5, 1.0):
        y = at(0.0, value)[1]
        lines.append(
            Markup(
                '<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
                '<text class="tick" x="{x:.1f}" y="{text:.1f}" text-anchor="end">{value:g}</text>'
            ).format(left=_LEFT, right=right, y=y, x=_LEFT - 6, text=y + 4, value=value)
        )
    tick = Markup('<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{value:g}</text>')
    lines += [tick.format(x=at(value, 0.0)[0], y=bottom + 15, value=value) for value in x_ticks]
    lines.append(
        Markup(
            '<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{x_label}</text>'
            '<text class="axis" transform="translate(12 {middle:.1f}) rotate(-90)" text-anchor="middle">'
            "{y_label}</text>"
        ).format(x=_LEFT + _SIDE / 2, y=bottom + 31, x_label=x_label, middle=_EDGE + _SIDE / 2, y_label=y_label)
    )
    return Markup("").join(lines)


def _drawn(line: ChartLine, at: _Place) -> Markup:
    count = len(line.x)
    kept = (
        range(count)
        if count <= _MOST_POINTS
        else sorted({i * (count - 1) // (_MOST_POINTS - 1) for i in range(_MOST_POINTS)})
    )
    points = [at(line.x[i], line.y[i]) for i in kept]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawn = Markup('<polyline class="{style}" points="{text}"/>').format(style=line.style, text=text)
    if not line.dots:
        return drawn
    dot = Markup('<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    return drawn + Markup("").join(dot.format(style=line.style, x=x, y=y) for x, y in points)


def _legend(place: int, line: ChartLine) -> Markup:
    y = _EDGE + _SIDE + _BOTTOM + 16 * place + 8
    return Markup(
        '<line class="{style}" x1="{x1:.0f}" x2="{x2:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        '<text class="tick" x="{text:.0f}" y="{low:.1f}">{label}</text>'
    ).format(style=line.style, x1=_LEFT, x2=_LEFT + 20, y=y, text=_LEFT + 26, low=y + 4, label=line.label)
