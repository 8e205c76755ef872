"""An explanation for the terminal: the summary with its marks, then short tables of what the marks lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from radseek.cli.console import number, print_lines, print_table
from radseek.html.explain_numbers import change_row, measured_row
from radseek.html.explain_words import Words, words_in
from radseek.retrieval.explain.claims.wording import view_name
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Item,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.explain.explanation import ExplainResult

__all__ = ["marks", "print_explanation"]

Row = Sequence[object]
_MATCHES = 3


def print_explanation(result: ExplainResult) -> None:
    """Print a whole explanation on stdout, in its own language."""
    words, items = words_in(result.lang), result.evidence.items
    print_lines(words.terminal["summary"], _summary(result, words))
    version = words.terminal["findings"].format(version=result.evidence.asked)
    _table(words, version, "score", (_score(item, words) for item in items if isinstance(item, ScoreItem)))
    _table(words, words.terminal["neighbours"], "neighbour", _neighbours(items, words))
    agreed = (_agreement(item, words) for item in items if isinstance(item, AgreementItem))
    _table(words, words.terminal["agreement"], "agreement", agreed)
    measured = (_measured(item, words) for item in items if isinstance(item, MeasurementItem))
    _table(words, words.terminal["measurements"], "measurement", measured)
    changed = (_changed(item, words) for item in items if isinstance(item, ChangeItem))
    _table(words, words.terminal["changes"], "change", changed)
    limits = [f"[{item.id}] {words.names(item.text)}" for item in items if isinstance(item, CaveatItem)]
    if limits:
        print_lines(words.terminal["caveats"], map(_plain, limits))


def _summary(result: ExplainResult, words: Words) -> Iterator[str]:
    for place, sentence in enumerate(result.summary, 1):
        swapped = f"  ({words.page['replaced_mark']})" if sentence.replaced else ""
        yield _plain(f"{place:>2}  {sentence.text} {marks(sentence.cites)}{swapped}")


def marks(cites: Sequence[str]) -> str:
    """Return citation marks; three or more ids in a row are one range.

    >>> marks(["S1", "S2", "S3", "S5", "N1"])
    '[S1-S3][S5][N1]'
    """
    runs: list[list[str]] = []
    for name in cites:
        before = f"{name[0]}{int(name[1:]) - 1}" if name[1:].isdigit() else ""
        if runs and runs[-1][-1] == before:
            runs[-1].append(name)
        else:
            runs.append([name])
    return "".join(f"[{run[0]}-{run[-1]}]" if len(run) > 2 else "".join(f"[{one}]" for one in run) for run in runs)


def _table(words: Words, title: str, name: str, rows: Iterable[Row]) -> None:
    """Print a table unless it is empty."""
    shown = [[_plain(str(cell)) for cell in row] for row in rows]
    if shown:
        print_table(title, words.terminal[f"{name}_columns"].split("|"), shown)


def _score(item: ScoreItem, words: Words) -> Row:
    state = words.of("state", item.state)
    seen = words.page["seen_in"]
    where = (
        "-" if item.view is None else seen.format(view=view_name(item.view, words.lang), z=(item.key_slice or 0) + 1)
    )
    where = words.page["flat"].format(seen=where) if item.stands_out is False else where
    return [
        item.id,
        words.names(item.name),
        state if item.reason is None else f"{state} ({words.of('reason', item.reason)})",
        number(item.probability, 2),
        number(item.score),
        "-" if item.interval is None else f"{item.interval[0]:+.3f} .. {item.interval[1]:+.3f}",
        number(item.percentile, 0),
        where,
    ]


def _neighbours(items: Sequence[Item], words: Words) -> Iterator[Row]:
    said = [item for item in items if isinstance(item, SentenceItem)]
    for item in items:
        if isinstance(item, NeighbourItem):
            pairs = " ".join(f"{m.query_slice}:{m.case_slice}" for m in item.matches[:_MATCHES])
            stated = " ".join(f"[{one.id}] {one.text}" for one in said if one.neighbour == item.id)
            silent = words.page["case_silent" if item.has_report else "case_unread"]
            yield [item.id, item.path or item.study, number(item.score), pairs, stated or silent]


def _agreement(item: AgreementItem, words: Words) -> Row:
    against = words.terminal["disagrees"] if item.disagrees else ""
    counts = (item.present, item.absent, item.uncertain, item.silent, item.of)
    return [item.id, words.names(item.name), *counts, against]


def _measured(item: MeasurementItem, words: Words) -> Row:
    row = measured_row(item, words)
    return [row.id, item.label, row.quantity, row.value, row.unit]


def _changed(item: ChangeItem, words: Words) -> Row:
    row = change_row(item, words)
    amounts = (f"{value} {row.unit}".strip() for value in (row.before, row.after, row.absolute))
    return [row.id, row.label, row.quantity, *amounts, row.percent]


def _plain(text: str) -> str:
    """Text without what a terminal would obey: report text, paths and labels come from elsewhere."""
    return "".join(letter for letter in text if letter.isprintable())
