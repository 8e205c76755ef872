"""How `radseek search` shows report sentences, and the slices of the images that they name."""

from __future__ import annotations

from collections.abc import Sequence

from radseek.cli.asked_indexes import place
from radseek.cli.console import print_table, slice_number
from radseek.retrieval.search.pointed_slices import PointedSlice
from radseek.retrieval.search.search_results import SentenceRow

__all__ = ["print_sentences"]


def print_sentences(found: Sequence[SentenceRow]) -> None:
    """Print a sentence a row; with the slices that they name where any names one."""
    rows: list[list[object]] = [[s.rank, place(s), s.polarity or "", s.text] for s in found]
    columns = ["", "study", "says", "sentence"]
    if any(s.images for s in found):
        columns.append("images named")
        rows = [[*row, "; ".join(map(_named, s.images))] for row, s in zip(rows, found, strict=True)]
    print_table("Report sentences", columns, rows)


def _named(one: PointedSlice) -> str:
    if one.key_slice is None:
        return f"{one.words}: {one.reason}"
    return f"{one.words}: {slice_number(one.key_slice)}"
