"""The order and the facets that `similar` and `search` are asked for, and how facets are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from radseek.cli.asked_indexes import is_many
from radseek.cli.console import print_table
from radseek.retrieval.errors import UsageError
from radseek.retrieval.search.facets import Facet
from radseek.retrieval.search.sorting import SIMILARITY

__all__ = ["asked_order", "print_facets"]


def asked_order(indexes: Sequence[str], sort: str, facets: Sequence[str] | None) -> dict[str, Any]:
    """Return what an engine is told of order and facets. Raises `UsageError` where several indexes are asked."""
    if sort == SIMILARITY and not facets:
        return {}
    if is_many(indexes):
        raise UsageError("--sort and --facet are of one index's columns; give one --index folder, or leave them out.")
    return {"sort": sort, "facets": facets or ()}


def print_facets(facets: Sequence[Facet]) -> None:
    """Print a table a field: each value, how many studies that pass have it, and how many of those shown."""
    for facet in facets:
        rows: list[list[object]] = [[one.value, one.count, one.shown] for one in facet.values]
        rows += [[f"{facet.others} more values", "", ""]] if facet.others else []
        print_table(f"By {facet.field}", [facet.field, "studies", "shown"], rows)
