"""The rows of a file on their way into the build's scratch database: those that can be used, and those that cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from radseek.index_builder.tables.delimited_rows import BadRow
from radseek.retrieval.errors import Reason, UsageError
from radseek.retrieval.types import Skipped

__all__ = ["copy_rows"]

Row = TypeVar("Row")


def copy_rows(
    path: Path, rows: Iterable[Row | BadRow], keep: Callable[[Row], object], skip: Callable[[Skipped], object]
) -> int:
    """Call `keep` with each row that can be used, and after the last `skip` with those that cannot; return how many.

    Raises `UsageError` with the file's name where reading raises it, or where no row of some can be used.
    """
    count, bad = 0, []
    try:
        for row in rows:
            if isinstance(row, BadRow):
                bad.append(row)
                continue
            keep(row)
            count += 1
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    if bad and not count:
        raise UsageError(f"{path}, line {bad[0].line}: {bad[0].rule}")
    for one in bad:
        skip(Skipped(f"{path.name}:{one.line}", Reason.BAD_HEADER, f"line {one.line} {one.rule}"))
    return count
