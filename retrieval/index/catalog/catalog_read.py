"""Questions to the catalogue, as one pinned generation answers them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.digests import (
    SENTENCE_COLUMNS,
    SERIES_COLUMNS,
    STUDY_COLUMNS,
    changed,
    digest_of,
    grouped,
    not_as_written,
)
from radseek.retrieval.index.catalog.schema import VISIBLE
from radseek.retrieval.index.catalog.sqlite_file import batches
from radseek.retrieval.index.store import Case, CaseSeries

__all__ = [
    "check_studies",
    "find_cases",
    "ids_of_keys",
    "kinds",
    "live_keys",
    "lost",
    "sentence_places",
    "view_rows",
    "views_by_id",
]


def ids_of_keys(catalog: Catalog, keys: Collection[str], generation: int) -> list[int]:
    """Return the row ids of the studies of these keys that are there at a generation, in key order."""
    if not keys:
        return []
    sql = f"SELECT s.id FROM studies s WHERE {VISIBLE} AND s.key IN (SELECT value FROM json_each(:keys)) ORDER BY s.key"
    rows = catalog.query(sql, {"generation": generation, "keys": json.dumps(sorted(keys))})
    return [row[0] for row in rows]


def lost(catalog: Catalog, generation: int) -> bool:
    """Say whether a study that a generation has was removed after it."""
    gone = "SELECT EXISTS (SELECT 1 FROM studies WHERE added <= ? AND removed > ?)"
    return bool(catalog.query(gone, (generation, generation))[0][0])


def kinds(catalog: Catalog, generation: int) -> list[tuple[str, str]]:
    """Return every pair of modality and body part that a series has at a generation, ascending."""
    pairs = catalog.query("SELECT DISTINCT modality, body_part FROM series ORDER BY 1, 2")
    sql = (
        "SELECT 1 FROM series r JOIN studies s ON s.id = r.study WHERE r.modality = :modality "
        f"AND r.body_part = :body_part AND {VISIBLE} LIMIT 1"
    )
    return [
        (one, part)
        for one, part in pairs
        if catalog.query(sql, {"generation": generation, "modality": one, "body_part": part})
    ]


def views_by_id(catalog: Catalog, ids: Mapping[int, int]) -> dict[int, tuple[str, str, bytes]]:
    """Return study key, series key and z of views, under the caller's names of the row ids."""
    found: dict[int, tuple[str, str, bytes]] = {}
    for batch in batches(set(ids.values())):
        marks = ",".join("?" * len(batch))
        rows = catalog.query(
            "SELECT v.id, s.key, r.key, v.z FROM views v JOIN series r ON r.id = v.series "
            f"JOIN studies s ON s.id = v.study WHERE v.id IN ({marks})",
            batch,
        )
        found.update({row[0]: (row[1], row[2], row[3]) for row in rows})
    return {name: found[row_id] for name, row_id in ids.items()}


def live_keys(catalog: Catalog, keys: Collection[str], generation: int) -> set[str]:
    """Return which of `keys` are there at a generation."""
    found: set[str] = set()
    for batch in batches(keys):
        marks = ",".join("?" * len(batch))
        sql = f"SELECT s.key FROM studies s WHERE {VISIBLE.replace(':generation', '?')} AND s.key IN ({marks})"
        found.update(row[0] for row in catalog.query(sql, [generation, generation, *batch]))
    return found


def view_rows(catalog: Catalog, study: str, generation: int) -> list[Any]:
    """Return a study's views as they were added: series key, name, segment, row, start, count, z, position."""
    return catalog.query(
        "SELECT r.key, v.name, v.segment, v.row, v.start, v.count, v.z, v.position FROM views v "
        "JOIN series r ON r.id = v.series JOIN studies s ON s.id = v.study "
        f"WHERE s.key = :key AND {VISIBLE} ORDER BY v.id",
        {"key": study, "generation": generation},
    )


def sentence_places(catalog: Catalog, study: str, generation: int) -> list[tuple[int, int]]:
    """Return the segment and row of each of a study's sentences, in their order."""
    return catalog.query(
        "SELECT t.segment, t.row FROM sentences t JOIN studies s ON s.id = t.study "
        f"WHERE s.key = :key AND {VISIBLE} ORDER BY t.ordinal",
        {"key": study, "generation": generation},
    )


def find_cases(catalog: Catalog, ids: Sequence[int]) -> list[Case]:
    """Return studies by row id, in key order, without their paths.

    Raises `IndexDamagedError` where the rows of one are not the ones that were written.
    """
    values, sql = [json.dumps(ids)], "s.id IN (SELECT value FROM json_each(?))"
    digest = "hex(s.digest)" if catalog.format > 1 else "''"
    strict = catalog.has_all_digests()
    study = f"SELECT {STUDY_COLUMNS}, {digest} FROM studies s WHERE {sql} ORDER BY s.key"
    with catalog.reading():
        rows = catalog.whole(study, _width(STUDY_COLUMNS) + 1, values)
        series = grouped(catalog.whole(_SERIES.format(sql), _width(SERIES_COLUMNS) + 1, values))
        sentences = grouped(catalog.whole(_SENTENCES.format(sql), _width(SENTENCE_COLUMNS) + 1, values))
    cases = []
    for *row, kept in rows:
        of_series, of_sentences = series.get(row[0], ()), sentences.get(row[0], ())
        if (strict or kept) and bytes.fromhex(kept) != digest_of([row], of_series, of_sentences):
            raise not_as_written(str(row[1]))
        cases.append(_case(row, of_series, of_sentences))
    return cases


def _width(columns: str) -> int:
    return columns.count(",") + 1


_SERIES = (
    f"SELECT r.study, {SERIES_COLUMNS} FROM series r JOIN studies s ON s.id = r.study WHERE {{}} "
    "ORDER BY r.study, r.ordinal, r.id"
)
_SENTENCES = (
    f"SELECT t.study, {SENTENCE_COLUMNS} FROM sentences t JOIN studies s ON s.id = t.study WHERE {{}} "
    "ORDER BY t.study, t.ordinal, t.id"
)


def check_studies(catalog: Catalog, ids: Collection[int], *, views: bool) -> None:
    """Raise `IndexDamagedError` where the rows of one of these studies are not the ones that were written.

    `views`: also those that say where its views lie.
    """
    if catalog.format == 1:
        return
    with catalog.reading():
        for key in changed(catalog.query, ids, strict=catalog.has_all_digests(), views=views):
            raise not_as_written(key)


def _case(row: Sequence[Any], series: Sequence[Sequence[Any]], sentences: Sequence[Sequence[Any]]) -> Case:
    _, key, patient, *_, attributes, report = row
    return Case(
        key=key,
        patient_key=patient,
        attributes=json.loads(attributes),
        series=tuple(_series(one) for one in series),
        report=report or None,
        sentences=tuple(one[-1] for one in sentences),
        path=None,
    )


def _series(row: Sequence[Any]) -> CaseSeries:
    _, _, key, modality, body_part, description, unit, shape, spacing, provenance = row
    mm = json.loads(spacing)
    return CaseSeries(
        key,
        modality,
        body_part,
        description,
        unit,
        shape=tuple(json.loads(shape)),
        spacing=None if mm is None else (mm[0], mm[1], mm[2]),
        provenance=json.loads(provenance),
    )
