"""A filter beside what an index holds: values that no study has are named, and a filter that leaves nothing says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from radseek.retrieval.errors import UsageError, nearest
from radseek.retrieval.index.catalog.filter_values import is_usual_value
from radseek.retrieval.index.catalog.where import OWN, Clause, Where
from radseek.retrieval.index.store import Scope, Store

__all__ = ["check_count", "checked_where", "what_is_left"]

_SHOWN = 12  # values that a message lists, most studies first


def checked_where(where: Where | Sequence[str], store: Store) -> Where:
    """Return a filter as a store's studies can match it: a body part also as a part of several scanned at once.

    Raises `UsageError` for a value that no study has, naming those that there are; and what `Where.parse` does.
    Ranges of numbers, which may well be empty, are not checked.
    """
    asked = where if isinstance(where, Where) else Where.parse(where, store.own_columns())
    if not asked.clauses or not store.passing(Scope()):
        return asked
    return Where(tuple(_checked(clause, store) for clause in asked.clauses))


def what_is_left(scope: Scope, store: Store) -> tuple[str, ...]:
    """Return a sentence that says why no study is in scope; () where one is."""
    if store.passing(scope):
        return ()
    if not store.passing(Scope()):
        return ("The index holds no study.",)
    clauses = scope.where.clauses
    if clauses and not store.passing(Scope(scope.where)):
        alone = {str(Where((clause,))): store.passing(Scope(Where((clause,)))) for clause in clauses}
        empty = [clause for clause in clauses if not alone[str(Where((clause,)))]]
        if empty:
            return tuple(_nothing(clause, store) for clause in empty)
        return (f"No study passes all filters together; alone {_counts(alone, 'passes')}.",)
    left = "the filters leave" if clauses else "the index holds"
    return (f"Nothing to compare with: {left} only the query's own study, or its own patient's studies.",)


def _checked(clause: Clause, store: Store) -> Clause:
    if not clause.values or clause.field == "report":
        return clause
    held = store.values_of(clause.field)
    matched = {value: _matches(clause.field, value, held) for value in clause.values}
    lost = [value for value, found in matched.items() if not found]
    # Of CT,MR one may be lacking; of CT,MX one is a slip.
    if lost and (len(lost) == len(matched) or not all(is_usual_value(clause.field, value) for value in lost)):
        raise UsageError(_unknown(clause.field, lost, held))
    if clause.field == "body_part":
        values = sorted({*clause.values, *(one.casefold() for found in matched.values() for one in found)})
        return replace(clause, values=tuple(values))
    return clause


def _matches(field: str, value: str, held: dict[str, int]) -> list[str]:
    """Return the stored values that a value asked for stands for."""
    if field == "manufacturer":
        return [one for one in held if value in one.casefold()]
    if field == "body_part":
        return [one for one in held if f"_{value}_" in f"_{one.casefold()}_"]
    return [one for one in held if one.casefold() == value]


def _unknown(field: str, lost: Sequence[str], held: dict[str, int]) -> str:
    name = field.removeprefix(OWN)
    asked = f"No study in the index has {name}={','.join(lost)}"
    if not held:
        return f"{asked}: no study's {name} is known; leave the filter out."
    return f"{asked}{nearest(lost[0], [one.casefold() for one in held])}; there are {_counts(held)}."


def _nothing(clause: Clause, store: Store) -> str:
    held = store.values_of(clause.field)
    asked = f"No study passes {Where((clause,))}"
    if clause.values:
        name = clause.field.removeprefix(OWN)
        return f"{asked}; there are {_counts(held)}." if held else f"{asked}: no study's {name} is known."
    numbers = sorted(map(float, held))
    if not numbers:
        return f"{asked}: of none it is known."
    return f"{asked}: of {sum(held.values())} studies it is {numbers[0]:g} to {numbers[-1]:g}."


def _counts(held: dict[str, int], verb: str = "") -> str:
    ordered = sorted(held.items(), key=lambda one: (-one[1], one[0]))
    shown = [f"{value} {verb} {count}" if verb else f"{value} ({count})" for value, count in ordered[:_SHOWN]]
    more = [f"{len(held) - _SHOWN} more"] if len(held) > _SHOWN else []
    return ", ".join([*shown, *more])


def check_count(k: int) -> None:
    """Raise `UsageError` where fewer than one result is asked for."""
    if k < 1:
        raise UsageError(f"{k} results cannot be returned; ask for 1 or more.")
