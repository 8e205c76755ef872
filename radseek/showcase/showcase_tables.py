"""Short tables for the terminal: what was built, scored and found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from radseek.html.report_cards import case_title, in_order
from radseek.index_builder import BuildReport
from radseek.retrieval.index.store import Case
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.search.search_results import SearchResult, SimilarResult

__all__ = ["built_table", "screen_table", "search_tables", "similar_table"]

_TOP = 3


def built_table(report: BuildReport) -> Table:
    """Counts of a build, and how many inputs were skipped for each reason."""
    table = _table("Built", "what", "count")
    for name in ("files", "studies", "series", "slices", "sentences"):
        table.add_row(name, f"{getattr(report, name):,}")
    table.add_row("seconds", f"{report.seconds:.1f}")
    for reason, count in Counter(line.reason_code.value for line in report.skipped).most_common():
        table.add_row(f"skipped: {reason}", f"{count:,}")
    return table


def screen_table(scores: Mapping[str, Sequence[FindingScore]], cases: Mapping[str, Case], drawn: Drawn) -> Table:
    """The highest findings of each study given; a star where a phantom truly holds it."""
    table = _table("Screened", "study", "finding", "margin", "score", "state", "where")
    for key, rows in scores.items():
        for place, row in enumerate(in_order(rows)[:_TOP]):
            star = " *" if row.finding in drawn.get(key, ()) else ""
            place_of = "" if row.view is None else f"{row.view} {row.key_slice}"
            table.add_row(
                case_title(cases[key]) if place == 0 else "",
                Text(row.finding.replace("_", " ") + star),
                "" if row.margin is None else f"{row.margin:+.4f}",
                "" if row.score is None else f"{row.score:.3f}",
                row.state,
                place_of,
            )
    table.caption = f"the {_TOP} highest findings of each; * is truly in the phantom."
    return table


def similar_table(answer: SimilarResult, cases: Mapping[str, Case], query: Case) -> Table:
    """The nearest cases of one study."""
    table = _table(f"Similar to {query.path}", "rank", "study", "score", "slices matched (query > case)")
    for row in answer.results:
        pairs = ", ".join(f"{m.view} {m.query_slice} > {m.case_slice}" for m in row.matches)
        case = cases[row.study]
        table.add_row(str(row.rank), f"{case_title(case)} ({case.path})", f"{row.score:.4f}", pairs)
    return table


def search_tables(query: str, answer: SearchResult, cases: Mapping[str, Case]) -> list[Table]:
    """Studies and sentences that answer words."""
    studies = _table(f"Search: {query}", "rank", "study", "score")
    for row in answer.studies:
        studies.add_row(str(row.rank), f"{case_title(cases[row.study])} ({row.path})", f"{row.score:.4f}")
    sentences = _table("", "rank", "sentence", "says")
    for said in answer.sentences:
        sentences.add_row(str(said.rank), Text(said.text), said.polarity or "")
    return [studies, sentences]


Drawn = Mapping[str, Collection[str]]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", caption_justify="left")
    numbers = {"count", "margin", "score", "rank"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
