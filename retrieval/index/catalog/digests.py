"""Digests (SHA-256) of what the catalogue holds of a study, so that a changed row is refused and never answered from.

Three of each study, computed from its rows as they are in the catalogue: what it says (its own row, series, sentences
and where these lie), where its views lie, and its words in the keyword index. They guard against damage, not
against somebody who means it and writes new digests with new rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.sqlite_file import batches

__all__ = [
    "SENTENCE_COLUMNS",
    "SERIES_COLUMNS",
    "STUDY_COLUMNS",
    "VIEW_COLUMNS",
    "Digests",
    "Query",
    "changed",
    "digest_of",
    "fill",
    "grouped",
    "not_as_written",
    "of_studies",
    "stored",
]

Query = Callable[[str, Sequence[Any]], list[Any]]  # SQL and the values it binds, to rows

STUDY_COLUMNS = "s.id, s.key, s.patient, s.added, s.sex, s.age, s.year, s.manufacturer, s.site, s.attributes, s.report"
SERIES_COLUMNS = (
    "r.id, r.ordinal, r.key, r.modality, r.body_part, r.description, r.unit, r.shape, r.spacing, r.provenance"
)
SENTENCE_COLUMNS = "t.id, t.ordinal, t.segment, t.row, t.text"
VIEW_COLUMNS = "v.id, r.key, v.name, v.segment, v.row, v.start, v.count, v.z, v.position"


class Digests(NamedTuple):
    """A study's digests; None where the catalogue has none yet (a study of format 1)."""

    said: bytes | None
    views: bytes | None
    words: bytes | None


def digest_of(*parts: Sequence[Sequence[object]]) -> bytes:
    """Return the SHA-256 of rows of None, numbers, strings and bytes; equal only for equal rows in equal parts."""
    text = json.dumps(parts, default=_hex, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).digest()


def of_studies(
    query: Query, ids: Collection[int], *, views: bool = True, words: bool = False
) -> dict[int, tuple[str, Digests]]:
    """Return of each study that is there its key and the digests of its rows as they are now.

    `views`, `words`: those of its views, and of the keyword index, which take longer; else None.
    """
    found: dict[int, tuple[str, Digests]] = {}
    for batch in batches(ids):
        here = f"IN ({','.join('?' * len(batch))})"
        studies = query(f"SELECT {STUDY_COLUMNS} FROM studies s WHERE s.id {here}", batch)
        series = grouped(query(f"SELECT r.study, {SERIES_COLUMNS} FROM series r WHERE r.study {here} {_ORDER}", batch))
        sentences = grouped(
            query(
                f"SELECT t.study, {SENTENCE_COLUMNS} FROM sentences t WHERE t.study {here} ORDER BY t.ordinal, t.id",
                batch,
            )
        )
        lies = grouped(query(_VIEWS.format(here), batch)) if views else {}
        bodies = grouped(query(_WORDS.format(here), batch)) if words else {}
        for row in studies:
            one = row[0]
            found[one] = (
                str(row[1]),
                Digests(
                    digest_of([row], series.get(one, ()), sentences.get(one, ())),
                    digest_of([row[:2]], lies.get(one, ())) if views else None,
                    digest_of([row[:2]], bodies.get(one, ())) if words else None,
                ),
            )
    return found


_ORDER = "ORDER BY r.ordinal, r.id"
_VIEWS = (
    f"SELECT v.study, {VIEW_COLUMNS} FROM views v JOIN series r ON r.id = v.series WHERE v.study {{}} ORDER BY v.id"
)
_WORDS = (
    "SELECT t.study, t.id, w.body FROM sentences t LEFT JOIN words w ON w.rowid = t.id "
    "WHERE t.study {} ORDER BY t.ordinal, t.id"
)


def stored(query: Query, ids: Collection[int]) -> dict[int, Digests]:
    """Return the digests that were written with studies."""
    found: dict[int, Digests] = {}
    for batch in batches(ids):
        marks = ",".join("?" * len(batch))
        sql = f"SELECT id, digest, views_digest, words_digest FROM studies WHERE id IN ({marks})"
        found.update({row[0]: Digests(*row[1:]) for row in query(sql, batch)})
    return found


def changed(
    query: Query, ids: Collection[int], *, strict: bool, views: bool = True, words: bool = False
) -> Iterator[str]:
    """Yield the keys of studies that are not as they were written, in order of their row ids.

    `strict`: every study has digests, so one without is changed too. `views`, `words`: see `of_studies`.
    """
    looked_at = (True, views, words)
    for batch in batches(ids):
        kept = stored(query, batch)
        for one, (key, now) in of_studies(query, batch, views=views, words=words).items():
            pairs = compress(zip(now, kept[one], strict=True), looked_at)
            if any(a != b and (strict or b is not None) for a, b in pairs):
                yield key


def fill(query: Query, ids: Collection[int]) -> None:
    """Write the digests of studies as they are now. Callers hold the transaction."""
    for batch in batches(ids):
        for one, (_, now) in of_studies(query, batch, words=True).items():
            query("UPDATE studies SET digest = ?, views_digest = ?, words_digest = ? WHERE id = ?", (*now, one))


def grouped(rows: Sequence[Sequence[Any]]) -> Mapping[int, list[Sequence[Any]]]:
    """Return rows by their first column, without it, in their order."""
    found: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


def not_as_written(key: str) -> IndexDamagedError:
    """Return what is said of a study whose rows are not the ones that were written."""
    return IndexDamagedError(
        f"Study {key} is not what was written into the index; restore the index from a copy, or take the study out "
        f"with `radseek forget INDEX --study {key}` and build it again with `--readmit`."
    )


def _hex(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no digest")
    return f"\0{value.hex()}"
