"""A `Page` as one HTML file: styles and pictures inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from radseek.html.screen_report import FindingRow, Page, Profile
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.explain.claims.wording import bounded

__all__ = ["NOTICE", "POLICY", "page_environment", "profile_svg", "render_report", "tracks", "write_report"]

NOTICE = "Research use only. Not a medical device."
# Even a report that somehow held hostile text could load and run nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"

_WIDTH, _HEIGHT, _EDGE = 320.0, 64.0, 6.0  # of a profile, in SVG units
_HALF = 46.0  # percent of an interval's track on either side of zero


def render_report(page: Page) -> str:
    """Return the page as HTML. Every text is escaped; see `POLICY` for what a browser may load."""
    template = page_environment().get_template("report.html.j2")
    return template.render(page=page, notice=NOTICE, policy=POLICY, track=tracks)


@cache
def page_environment() -> jinja2.Environment:
    """Return where templates of pages are found: every text in them is escaped, and none may be missing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("radseek.html", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["profile"] = profile_svg
    environment.filters["signed"] = _signed
    environment.filters["bounded"] = bounded  # as summaries write a probability
    return environment


def write_report(page: Page, path: str | Path) -> Path:
    """Write the page to `path` (its folder is made) and return the path."""
    path = Path(path)
    text = render_report(page)
    with writing_to(path.parent, len(text)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def profile_svg(profile: Profile, label: str = "") -> Markup:
    """Draw margin by slice as SVG: a line over slices, a rule at zero, a dot on the key slice. `""` for one slice.

    `label` is what a screen reader says of it; in English where it is not given.
    """
    if len(profile.z) < 2:
        return Markup("")
    low, high = min(0.0, *profile.margins), max(0.0, *profile.margins)
    first, last = profile.z[0], profile.z[-1]

    def at(z: int, margin: float) -> tuple[float, float]:
        across = (z - first) / (last - first) * (_WIDTH - 2 * _EDGE) + _EDGE
        up = (margin - low) / (high - low) if high > low else 0.5
        return across, _HEIGHT - _EDGE - up * (_HEIGHT - 2 * _EDGE)

    points = [at(z, margin) for z, margin in zip(profile.z, profile.margins, strict=True)]
    key = profile.z.index(profile.key_slice) if profile.key_slice in profile.z else 0
    x, y = points[key]
    zero = at(first, 0.0)[1]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    label = label or f"margin by slice, {first + 1} to {last + 1}; key slice {profile.key_slice + 1}"
    return Markup(
        '<svg class="profile" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{label}">'
        '<line class="zero" x1="0" x2="{w:.0f}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
        '<polygon class="area" points="{x0:.1f},{zero:.1f} {line} {x1:.1f},{zero:.1f}"/>'
        '<polyline points="{line}"/><line class="key" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{h:.0f}"/>'
        '<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, label=label, zero=zero, line=line, x=x, y=y, x0=points[0][0], x1=points[-1][0])


def tracks(rows: Iterable[FindingRow]) -> list[dict[str, float]]:
    """Return for each row, in percent of a common track with zero in its middle: the interval's ends and the margin."""
    rows = list(rows)
    values = [abs(v) for row in rows for v in (row.margin, *(row.interval or ())) if v is not None]
    scale = _HALF / max([1e-9, *values])

    def percent(value: float) -> float:
        return float(round(50 + value * scale, 2))

    drawn: list[dict[str, float]] = []
    for row in rows:
        if row.margin is None or row.interval is None:
            drawn.append({})
            continue
        low, high = sorted(row.interval)
        start, end = percent(low), percent(high)
        drawn.append({"start": start, "width": round(max(end - start, 0.8), 2), "dot": percent(row.margin)})
    return drawn


def _signed(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
