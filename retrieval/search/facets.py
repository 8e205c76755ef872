"""How the studies that pass a question's filters share out over the values of a field: facets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from radseek.retrieval.index.catalog.where import OWN, field_named
from radseek.retrieval.index.store import Scope, Store

__all__ = ["Facet", "FacetValue", "count_facets"]

_MOST = 20  # values of a field


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A stored value: `count` studies that pass the filters have it, `shown` of those in the answer."""

    value: str
    count: int
    shown: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A field's values, the most frequent first; `others`: how many more values there are."""

    field: str
    values: tuple[FacetValue, ...]
    others: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {"field": self.field, "values": [asdict(one) for one in self.values], "others": self.others}


def count_facets(store: Store, scope: Scope, fields: Sequence[str], shown: Collection[str]) -> tuple[Facet, ...]:
    """Return the facets of some fields, named as filters name them, over the studies in scope.

    A study with series of two modalities counts for both; one whose value is unknown for none. `shown`: the keys of the
    studies in the answer. Raises `UnknownNameError` for a field that does not exist.
    """
    own = store.own_columns() if fields else {}
    found = []
    for field in dict.fromkeys(field_named(name, own) for name in fields):
        counts = store.values_of(field, scope)
        of_shown = store.values_of(field, replace(scope, only_studies=frozenset(shown))) if shown else {}
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        values = tuple(FacetValue(value, count, of_shown.get(value, 0)) for value, count in ordered[:_MOST])
        found.append(Facet(field.removeprefix(OWN), values, max(0, len(ordered) - _MOST)))
    return tuple(found)
