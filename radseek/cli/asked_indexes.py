"""What `similar` and `search` ask: one index, or several, here and at other sites, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.many_sites import ManySites
from radseek.retrieval.search.search_results import SentenceRow, SimilarRow, StudyRow
from radseek.retrieval.search.sites.remote_site import is_site_url
from radseek.retrieval.search.sites.site_tokens import read_site_tokens

__all__ = ["ask_indexes", "is_many", "place"]


def is_many(indexes: Sequence[str]) -> bool:
    """Say whether more is asked than one folder."""
    return len(indexes) > 1 or is_site_url(indexes[0])


@contextmanager
def ask_indexes(
    indexes: Sequence[str], model: str | None, site_tokens: Path | None, milvus: str | None = None
) -> Iterator[tuple[Engine, Engine | ManySites]]:
    """Open what is named and close it after: an engine that reads targets, and what answers. Raises as opening does."""
    if not is_many(indexes):
        if site_tokens is not None:
            raise UsageError("--site-tokens is for sites, and none is named; give one with --index https://HOST.")
        with Engine.open(indexes[0], model, isolated=True, milvus=milvus) as engine:
            yield engine, engine
        return
    if milvus is not None:
        raise UsageError("--milvus holds the views of one index; give one --index folder, or leave it out.")
    with ManySites.open(indexes, model, tokens=read_site_tokens(site_tokens), isolated=True) as many:
        yield many.engine, many


def place(row: SimilarRow | StudyRow | SentenceRow) -> str:
    """Return where a found study is: its path or key, and of several indexes which."""
    named = row.path or row.study
    return named if row.site is None else f"{named} ({row.site})"
