"""What a protocol says of a download: which rows and studies of its table count, and which part of a name is whose."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from radseek.index_builder.labels.cell_columns import CellColumns
from radseek.index_builder.labels.label_columns import LabelLayout, LabelNames
from radseek.index_builder.tables.headings import by_plain_heading, plain_heading
from radseek.index_builder.tables.text_encoding import find_encoding, open_text
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.protocol import Protocol

__all__ = ["given_heading", "kept_rows", "note_missing", "parts_of_names", "protocol_names", "split_rows"]


def protocol_names(protocol: Protocol) -> LabelNames:
    """Return what names of labels mean in a protocol."""
    return LabelNames(classes=protocol.labelled(), are_open=protocol.open_classes)


def given_heading(headings: Sequence[str], name: str) -> str:
    """Return the heading that a protocol's name of a column finds; "" where the table lacks it, or it has no name."""
    return by_plain_heading(headings).get(plain_heading(name), "") if name else ""


def kept_rows(table: CellColumns, protocol: Protocol, note: Callable[[str], None]) -> CellColumns:
    """Return the rows that a protocol keeps by their cells. Raises `UsageError` where none is left."""
    for name, wanted in protocol.keep.items():
        heading = given_heading(table.headings, name)
        if not heading:
            note(f"protocol {protocol.name} keeps rows by {name!r}, which the table lacks; every row is kept")
            continue
        rows = [row for row, cell in enumerate(table.cells[heading]) if cell.strip() in wanted]
        if not rows:
            raise UsageError(f"no row has {' or '.join(wanted)} in {heading!r}, which protocol {protocol.name} keeps")
        if len(rows) < table.rows:
            note(f"{table.rows - len(rows)} rows whose {heading!r} is not {' or '.join(wanted)} are left out")
        table = table.kept(rows)
    return table


def split_rows(
    table: CellColumns, study: str, protocol: Protocol, folder: Path, note: Callable[[str], None]
) -> CellColumns:
    """Return the rows of the studies that a protocol's split file in `folder` lists; all where it is not there.

    Raises `UsageError` where it lists none of them.
    """
    if not protocol.split_file:
        return table
    path = folder / protocol.split_file
    if not path.is_file():
        note(f"the split file {protocol.split_file} is not beside the labels; every study of the table counts")
        return table
    with open_text(path, find_encoding(path)) as file:
        listed = {name for line in file if (name := line.strip("\ufeff \t\r\n"))}
    rows = [row for row, name in enumerate(table.identifiers(study)) if name in listed]
    if not rows:
        raise UsageError(f"{protocol.split_file} lists none of the studies in {study!r}; give the table it belongs to")
    note(f"{protocol.split_file} lists {len(listed)} studies; {len(rows)} of {table.rows} rows are theirs")
    return table.kept(rows)


def parts_of_names(pattern: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the group that a pattern finds in each name, or in the last part of a path; "" where it finds none."""
    found = (re.search(pattern, name) or re.search(pattern, name.rpartition("/")[2]) for name in names)
    return tuple(match[1] if match and pattern else "" for match in found)


def note_missing(protocol: Protocol, layout: LabelLayout, note: Callable[[str], None]) -> None:
    """Say which classes of a protocol a wide table has no column for."""
    have = {finding.name for finding in layout.wide.values()}
    missing = [one.name for one in protocol.classes if one.ours().name not in have]
    if layout.wide and missing:
        note(f"protocol {protocol.name} has classes without a column, which are not known: {', '.join(missing)}")
