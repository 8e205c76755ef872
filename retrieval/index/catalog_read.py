"""Questions to the catalogue, as one pinned generation answers them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.index.catalog import Catalog
from retrieval.index.digests import (
    SENTENCE_COLUMNS,
    SERIES_COLUMNS,
    STUDY_COLUMNS,
    batches,
    changed,
    digest_of,
    grouped,
    not_as_written,
)
from retrieval.index.schema import VISIBLE
from retrieval.index.store import Case, CaseSeries, Scope
from retrieval.index.where import NUMBERS, SERIES_FIELDS, Clause

__all__ = [
    "Condition",
    "check_studies",
    "condition",
    "field_values",
    "find_cases",
    "live_keys",
    "lost",
    "sentence_places",
    "study_ids",
    "view_rows",
    "views_by_id",
    "visible_ids",
]

_SEEN = (
    "EXISTS (SELECT 1 FROM views v JOIN series r ON r.id = v.series WHERE v.study = s.id "
    "AND (r.modality = '' OR v.name IN (SELECT value FROM json_each(?))))"
)
_BATCH = 500  # values bound in one statement
Condition = tuple[str, list[Any]]  # SQL over `studies s`, and the values it binds


def condition(scope: Scope | None, generation: int) -> Condition:
    """Return the SQL condition on `studies s` for a scope at a generation."""
    parts = [VISIBLE.replace(":generation", "?")]
    values: list[Any] = [generation, generation]
    scope = scope or Scope()
    for clause in scope.where.clauses:
        sql, bound = _clause(clause)
        parts.append(sql)
        values.extend(bound)
    for column, keys in (("s.key", scope.not_studies), ("s.patient", scope.not_patients - {""})):
        if keys:
            parts.append(f"{column} NOT IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(sorted(keys)))
    if scope.only_studies is not None:
        parts.append("s.key IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(sorted(scope.only_studies)))
    if scope.with_views is not None:
        parts.append(_SEEN)
        values.append(json.dumps(sorted(scope.with_views)))
    return " AND ".join(parts), values


def lost(catalog: Catalog, generation: int) -> bool:
    """Say whether a study that a generation has was removed after it."""
    gone = "SELECT EXISTS (SELECT 1 FROM studies WHERE added <= ? AND removed > ?)"
    return bool(catalog.query(gone, (generation, generation))[0][0])


def study_ids(catalog: Catalog, scope: Scope | None, generation: int) -> NDArray[np.int64]:
    """Return the row ids of the studies in scope, ascending."""
    sql, values = condition(scope, generation)
    rows = catalog.query(f"SELECT s.id FROM studies s WHERE {sql} ORDER BY s.id", values)
    return np.array([row[0] for row in rows], np.int64)


def field_values(catalog: Catalog, field: str, generation: int) -> dict[str, int]:
    """Return how many studies have each value of a filter's field, as it is stored; unknown ones are left out."""
    if field == "report":
        value, source = "CASE s.report WHEN '' THEN 'no' ELSE 'yes' END", "studies s"
    elif field in SERIES_FIELDS:
        value, source = f"r.{field}", "series r JOIN studies s ON s.id = r.study"
    else:
        value, source = f"s.{field}", "studies s"
    rows = catalog.query(
        f"SELECT {value} AS value, count(DISTINCT s.id) FROM {source} WHERE {VISIBLE} GROUP BY value",
        {"generation": generation},
    )
    return {str(one): count for one, count in rows if one not in (None, "")}


def views_by_id(catalog: Catalog, ids: Mapping[int, int]) -> dict[int, tuple[str, str, bytes]]:
    """Return study key, series key and z of views, under the caller's names of the row ids."""
    found: dict[int, tuple[str, str, bytes]] = {}
    for batch in _batches(sorted(set(ids.values()))):
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
    for batch in _batches(sorted(keys)):
        marks = ",".join("?" * len(batch))
        sql = f"SELECT s.key FROM studies s WHERE {VISIBLE.replace(':generation', '?')} AND s.key IN ({marks})"
        found.update(row[0] for row in catalog.query(sql, [generation, generation, *batch]))
    return found


def visible_ids(catalog: Catalog, keys: Collection[str], generation: int) -> list[int]:
    """Return the row ids of the studies of these keys at a generation."""
    found: list[int] = []
    for batch in batches(sorted(keys)):
        sql = f"SELECT s.id FROM studies s WHERE {VISIBLE.replace(':generation', '?')} AND s.key IN "
        rows = catalog.query(f"{sql}({','.join('?' * len(batch))})", [generation, generation, *batch])
        found += [row[0] for row in rows]
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


def find_cases(
    catalog: Catalog, scope: Scope, generation: int, offset: int = 0, limit: int | None = None
) -> list[Case]:
    """Return `limit` of the studies in scope after `offset`, in key order, without their paths."""
    sql, values = condition(scope, generation)
    if offset > 0 or limit is not None:
        sql = f"s.id IN (SELECT s.id FROM studies s WHERE {sql} ORDER BY s.key LIMIT ? OFFSET ?)"
        values = [*values, -1 if limit is None else limit, offset]  # -1: as many as there are
    digest = "s.digest" if catalog.format > 1 else "NULL"
    strict = catalog.has_all_digests()
    with catalog.reading():
        rows = catalog.query(f"SELECT {STUDY_COLUMNS}, {digest} FROM studies s WHERE {sql} ORDER BY s.key", values)
        series = grouped(catalog.query(_SERIES.format(sql), values))
        sentences = grouped(catalog.query(_SENTENCES.format(sql), values))
    cases = []
    for *row, kept in rows:
        of_series, of_sentences = series.get(row[0], ()), sentences.get(row[0], ())
        if (strict or kept is not None) and kept != digest_of([row], of_series, of_sentences):
            raise not_as_written(str(row[1]))
        cases.append(_case(row, of_series, of_sentences))
    return cases


_SERIES = (
    f"SELECT r.study, {SERIES_COLUMNS} FROM series r JOIN studies s ON s.id = r.study WHERE {{}} "
    "ORDER BY r.study, r.ordinal, r.id"
)
_SENTENCES = (
    f"SELECT t.study, {SENTENCE_COLUMNS} FROM sentences t JOIN studies s ON s.id = t.study WHERE {{}} "
    "ORDER BY t.study, t.ordinal, t.id"
)


def check_studies(catalog: Catalog, ids: Collection[int]) -> None:
    """Raise `IndexDamagedError` where the rows of one of these studies are not the ones that were written."""
    if catalog.format == 1:
        return
    with catalog.reading():
        for key in changed(catalog.query, ids, strict=catalog.has_all_digests()):
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


def _clause(clause: Clause) -> Condition:
    name, values = clause.field, list(clause.values)
    marks = ",".join("?" * len(values))
    if name in NUMBERS:
        bounds = [("s.{} >= ?", clause.low), ("s.{} <= ?", clause.high)]
        used = [(sql.format(name), bound) for sql, bound in bounds if bound is not None]
        return " AND ".join(sql for sql, _ in used), [bound for _, bound in used]
    if name in SERIES_FIELDS:
        sql = f"EXISTS (SELECT 1 FROM series r WHERE r.study = s.id AND lower(r.{name}) IN ({marks}))"
        return sql, values
    if name == "report":
        return f"(CASE s.report WHEN '' THEN 'no' ELSE 'yes' END) IN ({marks})", values
    if name == "manufacturer":  # "Siemens" is meant for "SIEMENS Healthineers" too
        return "(" + " OR ".join("instr(lower(s.manufacturer), ?) > 0" for _ in values) + ")", values
    return f"lower(s.{name}) IN ({marks})", values


def _batches(values: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _BATCH):
        yield list(values[start : start + _BATCH])
