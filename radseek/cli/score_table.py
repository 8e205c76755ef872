"""The table of scores, by finding and score; what holds for every row, or for what is left out, is said once below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from radseek.cli.console import number, print_lines, print_table, slice_number
from radseek.cli.ranked_scores import RankedScores, ranked_scores
from radseek.prompts.finding import Finding
from radseek.retrieval.remedies import PERCENTILE_REASONS, STATE_REASONS
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["asked_words", "score_table"]

_PAGE = 200  # rows that are printed together
_COLUMNS = ("study", "asked", "state", "prob", "score", "margin, 10-90 %", "pct", "key slice")
_ALIKE = "not_told_apart"
_ALIKE_MEANS = "meaningless words, or 'anything abnormal', put these studies in the same order; try other words"


@contextmanager
def score_table(
    version: str, findings: Sequence[Finding], top: int | None
) -> Iterator[Callable[[Sequence[FindingScore]], None]]:
    """Give what takes the rows of every study; at the end, or where the run is cut short, they are printed.

    `top`: of each finding only so many, the highest scores.
    """
    with ranked_scores(findings) as kept:
        summary = _Summary()

        def write(rows: Sequence[FindingScore]) -> None:
            kept.add(rows)
            summary.add(rows)

        try:
            yield write
        finally:
            if summary.has_rows:
                _tell(f"Findings {version}", kept, summary, top)


def asked_words(row: FindingScore) -> str:
    """Return what was asked, and what of the catalogue it means where that is called otherwise."""
    same = row.finding.startswith("free_") or row.finding.replace("_", " ") == row.asked.casefold()
    return row.asked if same or row.asked == row.finding else f"{row.asked} ({row.finding})"


class _Summary:
    """What is said of rows together: which findings are left out, and why."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[tuple[str, str | None, bool]]] = {}  # by what was asked

    @property
    def has_rows(self) -> bool:
        return bool(self._found)

    def add(self, rows: Iterable[FindingScore]) -> None:
        for row in rows:
            kinds = self._found.setdefault(asked_words(row), Counter())
            kinds[row.state, row.reason, row.score is not None] += 1

    def left_out(self) -> frozenset[str]:
        """Return what was asked and cannot be judged in any study; nothing where that is all that has a score."""
        unjudged = frozenset(
            asked for asked, kinds in self._found.items() if all(state == "abstain" for state, _, _ in kinds)
        )
        scored = {asked for asked, kinds in self._found.items() if any(has_score for _, _, has_score in kinds)}
        return unjudged if scored - unjudged else frozenset(self._found) - scored

    def lines(self) -> Iterator[str]:
        """Yield why rows are not in the table, a line a reason."""
        left_out = self.left_out()
        by_reason: dict[str, dict[str, list[str]]] = {}  # what was asked, by in how many studies
        for asked, kinds in self._found.items():
            for (_, reason, has_score), count in kinds.items():
                if asked in left_out or not has_score:
                    some = "" if count == kinds.total() else f" in {count} of {kinds.total()} studies"
                    by_reason.setdefault(reason or "", {}).setdefault(some, []).append(asked)
        for reason, found in by_reason.items():
            names = "; ".join(f"{', '.join(asked)}{some}" for some, asked in found.items())
            one = STATE_REASONS[reason]
            yield f"  {reason} ({one.meaning}; {one.remedy}): {names}."


def _tell(title: str, kept: RankedScores, summary: _Summary, top: int | None) -> None:
    left_out = summary.left_out()

    def shown() -> Iterator[FindingScore]:
        return (row for row in kept.ranked(top) if row.score is not None and asked_words(row) not in left_out)

    states, percentiles = _in_all(map(_reasons, shown())), {row.percentile_reason for row in shown()}
    one_percentile = len(percentiles - {None}) <= 1
    rows = shown()
    while page := list(islice(rows, _PAGE)):
        print_table(title, _COLUMNS, [_cells(row, states, one_percentile=one_percentile) for row in page])
        title = ""
    said = [f"  {_of_state(one)}" for one in sorted(states)]
    said += [f"  no pct, {_of_percentile(one)}" for one in sorted(filter(None, percentiles))]
    if said:
        print_lines("Of the table:", said)
    if lines := list(summary.lines()):
        print_lines(
            f"{title}: nothing can be said:" if title else "Not in the table, since nothing can be said:", lines
        )


def _in_all(reasons: Iterable[Collection[str]]) -> frozenset[str]:
    """Return what is among the reasons of every row."""
    found: frozenset[str] | None = None
    for one in reasons:
        found = frozenset(one) if found is None else found & frozenset(one)
    return found or frozenset()


def _of_state(code: str) -> str:
    if code == _ALIKE:
        return f"every row is {_ALIKE}: {_ALIKE_MEANS}."
    return f"every row is {code}: {STATE_REASONS[code].meaning}; {STATE_REASONS[code].remedy}."


def _of_percentile(code: str) -> str:
    one = PERCENTILE_REASONS[code]
    return f"{code}: {one.meaning}; {one.remedy}."


def _cells(row: FindingScore, said: Collection[str], *, one_percentile: bool) -> list[object]:
    percentile = number(row.percentile, 0) if one_percentile else row.percentile_reason or number(row.percentile, 0)
    return [
        row.path or row.study,
        asked_words(row),
        _state(row, said),
        number(row.probability, 2),
        number(row.score),
        "-" if row.interval is None else f"{row.interval[0]:+.3f} .. {row.interval[1]:+.3f}",
        percentile,
        _place(row),
    ]


def _reasons(row: FindingScore) -> list[str]:
    return [*([] if row.reason is None else [row.reason]), *([_ALIKE] if row.not_told_apart else [])]


def _state(row: FindingScore, said: Collection[str] = ()) -> str:
    """Return the state with its reasons but those that are said of the whole table."""
    why = [one for one in _reasons(row) if one not in said]
    return f"{row.state} ({', '.join(why)})" if why else row.state


def _place(row: FindingScore) -> str:
    """Return the view and key slice; a slice that does not stand out is in brackets."""
    if row.view is None:
        return "-"
    place = slice_number(row.key_slice)
    return f"{row.view} ({place}, flat)" if row.stands_out is False else f"{row.view} {place}"
