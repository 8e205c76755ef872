"""The studies of one generation as columns in key order, and filters as masks over them.

A column is read when it is first asked for, in one step of SQLite, and kept: a new filter costs a comparison of arrays.
"""

from __future__ import annotations

import json
import math
import string
import warnings
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.schema import VISIBLE
from radseek.retrieval.index.catalog.where import OWN, SERIES_FIELDS, Clause

__all__ = ["VIEWS_OF_UNKNOWN", "Coded", "Mask", "StudyColumns", "passes", "read_columns"]

Mask = NDArray[np.bool_]

VIEWS_OF_UNKNOWN = "series r JOIN views v ON v.series = r.id WHERE r.modality = ''"
_MOST_MASKS = 64  # one byte a study each
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # what SQLite's lower() does, too


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Values of studies: `place` of the study in key order, and `code` of the value in `values`; None is left out."""

    place: NDArray[np.int64]
    code: NDArray[np.int64]
    values: list[Any]


class StudyColumns:
    """Get masks over the `(N,)` studies in key order; `ids` are their row ids, `keys` their keys."""

    def __init__(self, catalog: Catalog, generation: int) -> None:
        self._catalog = catalog
        self._at = {"generation": generation}
        with catalog.reading():
            self.ids, self.keys = _visible(catalog, generation)
        self._places = np.full(int(self.ids.max(initial=0)) + 2, -1, np.int64)
        self._places[self.ids] = np.arange(len(self.ids))
        self._coded: dict[str, Coded] = {}
        self._masks: dict[Clause, Mask] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._own: dict[str, bool] | None = None

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where studies stand, by row id; -1 for one that this generation does not show."""
        # The last entry is -1.
        return self._places[np.where((ids > 0) & (ids < len(self._places)), ids, -1)]

    def of_ids(self, ids: NDArray[np.int64]) -> Mask:
        """Return the mask of some studies by row id."""
        mask = np.zeros(len(self.ids), bool)
        places = self.places(ids)
        mask[places[places >= 0]] = True
        return mask

    def of_keys(self, keys: Collection[str]) -> Mask:
        """Return the mask of some studies by key."""
        mask = np.zeros(len(self.ids), bool)
        for key in keys:
            place = bisect_left(self.keys, key)
            if place < len(self.keys) and self.keys[place] == key:
                mask[place] = True
        return mask

    def of_patients(self, patients: Collection[str]) -> Mask:
        """Return the mask of the studies of some patients, by key."""
        source = "studies s WHERE s.patient IN (SELECT value FROM json_each(?))"
        return self.of_ids(read_columns(self._catalog, ["s.id"], [], source, (json.dumps(sorted(patients)),))[0][0])

    def of_clause(self, clause: Clause) -> Mask:
        """Return which studies a clause of a filter lets through. The mask is shared: copy it to change it."""
        if clause not in self._masks:
            while len(self._masks) >= _MOST_MASKS:
                del self._masks[next(iter(self._masks))]
            self._masks[clause] = self._of_clause(clause)
        return self._masks[clause]

    def of_kind(self, modality: str, body_part: str) -> Mask:
        """Return which studies have a series of exactly this modality and body part."""
        source = "series WHERE modality = ? AND body_part = ?"
        return self.of_ids(read_columns(self._catalog, ["study"], [], source, (modality, body_part))[0][0])

    def of_unknown_modality(self) -> Mask:
        """Return which studies have a view of a series whose modality nobody said."""
        return self.of_ids(read_columns(self._catalog, ["v.study"], [], VIEWS_OF_UNKNOWN)[0][0])

    def values_of(self, field: str, mask: Mask | None = None) -> dict[str, int]:
        """Return how many studies (of a `mask`) have each value of a filter's field, as stored; less the unknown."""
        if mask is not None:
            return self._counted(field, mask)
        if field not in self._counts:
            self._counts[field] = self._counted(field, np.ones(len(self.ids), bool))
        return dict(self._counts[field])

    def own(self) -> dict[str, bool]:
        """Return the archive's own columns by name, each with whether all its values are numbers."""
        if self._own is None:
            source = f"studies s, json_each(s.attributes) e WHERE {VISIBLE} AND e.key LIKE '{OWN}%'"
            _, (names,) = read_columns(self._catalog, [], ["DISTINCT e.key"], source, self._at)
            self._own = {one.removeprefix(OWN): all(map(_is_number, self.values_of(one))) for one in sorted(names)}
        return dict(self._own)

    def _counted(self, field: str, mask: Mask) -> dict[str, int]:
        coded = self.coded(field)
        there = mask[coded.place]
        pairs = np.unique(
            coded.place[there] * max(1, len(coded.values)) + coded.code[there]
        )  # a study counts once a value
        counts = np.bincount(pairs % max(1, len(coded.values)), minlength=len(coded.values))
        named = sorted(zip(coded.values, counts.tolist(), strict=True), key=lambda one: (str(type(one[0])), one[0]))
        return {str(value): count for value, count in named if value != "" and count}

    def _of_clause(self, clause: Clause) -> Mask:
        coded = self.coded(clause.field)
        good = np.array([passes(clause, value) for value in coded.values], bool)
        mask = np.zeros(len(self.ids), bool)
        mask[coded.place[good[coded.code]]] = True
        return mask

    def coded(self, field: str) -> Coded:
        """Return a filter's field, of series or studies, with the unknown left out."""
        if field not in self._coded:
            self._coded[field] = self._read(field)
        return self._coded[field]

    def _read(self, field: str) -> Coded:
        if field in SERIES_FIELDS:
            number, value, source = "study", field, "series"
        else:
            value = "CASE s.report WHEN '' THEN 'no' ELSE 'yes' END" if field == "report" else f"s.{field}"
            value = "json_extract(s.attributes, :path)" if field.startswith(OWN) else value
            number, source = "s.id", f"studies s WHERE {VISIBLE}"
        bound = self._at | {"path": f'$."{field}"'} if ":" in source else ()
        (ids,), (values,) = read_columns(self._catalog, [number], [value], source, bound)
        places = self.places(ids)
        codes: dict[Any, int] = {}
        code = np.fromiter(
            (-1 if v is None else codes.setdefault(v, len(codes)) for v in values), np.int64, len(values)
        )
        there = (places >= 0) & (code >= 0)
        return Coded(places[there], code[there], list(codes))


def _visible(catalog: Catalog, generation: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return the row ids and keys of the studies that a generation shows, in key order.

    Of indexes alone, without a look at the rows, where it is the last generation: that shows what is not removed.
    """
    # LIMIT: an ORDER BY without one may be left out.
    in_order = "(SELECT id, key FROM studies {} ORDER BY key LIMIT -1)"
    if generation == catalog.generation():
        (ids,), (keys,) = read_columns(catalog, ["id"], ["key"], in_order.format("WHERE removed IS NULL"))
        return ids, keys
    (ids,), (keys,) = read_columns(catalog, ["id"], ["key"], in_order.format(""))
    (visible,), _ = read_columns(catalog, ["id"], [], f"studies s WHERE {VISIBLE}", {"generation": generation})
    there = np.isin(ids, visible)
    return ids[there], [keys[place] for place in np.flatnonzero(there)]


def read_columns(
    catalog: Catalog,
    numbers: Sequence[str],
    others: Sequence[str],
    source: str,
    values: Sequence[Any] | dict[str, Any] = (),
) -> tuple[list[NDArray[np.int64]], list[list[Any]]]:
    """Return whole columns of a table or query: those of whole numbers as arrays, and others as they are.

    In one step of SQLite: a thread that goes from row to row waits for all others at each. Raises `IndexDamagedError`
    where a column holds what does not belong there.
    """
    arrays = ", ".join(f"json_group_array({name})" for name in (*numbers, *others))
    (row,) = catalog.query(f"SELECT {arrays} FROM {source}", values)
    texts = row[: len(numbers)]
    return [_numbers(catalog, text) for text in texts], [json.loads(text) for text in row[len(numbers) :]]


def _numbers(catalog: Catalog, text: str) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what it cannot read: counted below
        found = np.fromstring(text[1:-1], np.int64, sep=",")
    if len(found) != (text.count(",") + 1 if text != "[]" else 0):
        raise IndexDamagedError(
            f"{catalog.path} holds text where a number belongs; restore it from a copy or build the index again."
        )
    return found


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def passes(clause: Clause, value: Any) -> bool:
    """Say whether a clause of a filter lets a stored value through."""
    if not clause.values:
        low, high = clause.low, clause.high
        value = float(value) if clause.field.startswith(OWN) and _is_number(value) else value
        is_number = isinstance(value, int | float)
        return is_number and (low is None or value >= low) and (high is None or value <= high)
    lower = str(value).translate(_LOWER)
    if clause.field == "manufacturer":  # "Siemens" is meant for "SIEMENS Healthineers" too
        return any(one in lower for one in clause.values)
    return lower in clause.values
