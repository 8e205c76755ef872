"""A question's scope as a Milvus filter. What Milvus cannot be told is left out of its answer afterwards.

Which values a clause lets through is decided here, among those that are stored, by the rule that makes the masks, and
Milvus only compares for equality: "Siemens" means the same to both, and no word that a user types gets there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from radseek.retrieval.index.catalog.columns import passes
from radseek.retrieval.index.catalog.where import NUMBERS, OWN, SERIES_FIELDS, Clause, Where
from radseek.retrieval.index.store import Scope

__all__ = ["MilvusFilter", "compile_scope"]

_MOST_VALUES = 1024  # that a clause may let through and still be sent


@dataclass(frozen=True, slots=True)
class MilvusFilter:
    """An `expression` with the names of its `params` in braces; `scope`: the part of the question that it expresses."""

    expression: str
    params: Mapping[str, Any]
    scope: Scope

    def with_literals(self) -> str:
        """Return the expression with its values written into it, for milvus-lite, which knows no `filter_params`."""
        return re.sub(r"\{(\w+)\}", lambda name: json.dumps(self.params[name[1]], ensure_ascii=False), self.expression)


def compile_scope(view: str, scope: Scope, values_of: Callable[[str], Mapping[str, int]]) -> MilvusFilter:
    """Return a filter that lets through every view of that name in `scope`, and as few others as can be said.

    Args:
        view: the views' name.
        scope: of the question; its studies, patients, views and kind are not sent, nor an archive's own columns.
        values_of: as `Store.values_of`.
    """
    parts, params, sent = ["view == {view}"], {"view": view}, []
    for number, clause in enumerate(scope.where.clauses):
        compiled = _compiled(clause, f"v{number}", values_of)
        if compiled is not None:
            parts.append(compiled[0])
            params |= compiled[1]
            sent.append(clause)
    return MilvusFilter(" and ".join(parts), params, Scope(Where(tuple(sent))))


def _compiled(
    clause: Clause, name: str, values_of: Callable[[str], Mapping[str, int]]
) -> tuple[str, dict[str, Any]] | None:
    if clause.field.startswith(OWN):
        return None
    if clause.field in NUMBERS and not clause.values:
        ends = {f"{name}_low": (">=", clause.low), f"{name}_high": ("<=", clause.high)}
        there = {key: (sign, float(end)) for key, (sign, end) in ends.items() if end is not None}
        text = " and ".join(f"{clause.field} {sign} {{{key}}}" for key, (sign, _) in there.items())
        return (text, {key: end for key, (_, end) in there.items()}) if there else None
    values = [value for value in values_of(clause.field) if passes(clause, value)]
    if len(values) > _MOST_VALUES:
        return None
    of_series = clause.field in SERIES_FIELDS
    text = f"ARRAY_CONTAINS_ANY({clause.field}, {{{name}}})" if of_series else f"{clause.field} in {{{name}}}"
    return text, {name: values}
