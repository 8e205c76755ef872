"""Which group each labelled study is in: by the index's attributes, by columns of one's own, by any column of a label
file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from radseek.retrieval.errors import UnknownNameError, nearest
from radseek.retrieval.evaluation.fairness import age_band, crossed
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.catalog.where import OWN, own_field
from radseek.retrieval.index.store import Case, Store

__all__ = ["USUAL_GROUPS", "audit_columns"]

USUAL_GROUPS: Final = ("sex", "age")  # audited where nobody says otherwise and the index knows them
_ATTRIBUTES: Final = ("sex", "age", "site", "manufacturer", "model", "year", "modality", "body_part")
_MEANS: Final = {"vendor": "manufacturer", "scanner": "model"}
_CROSS: Final = ","


def audit_columns(store: Store, labels: LabelTable, asked: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Return the groups of the labelled studies, `(N,)` a column, "" where a study's is not known.

    Args:
        store: the index.
        labels: of N of its studies.
        asked: names of columns, several crossed with a comma ("sex,age"); None: sex and age bands, where at least two
            groups of them are known.

    Raises:
        UnknownNameError: a name that neither the labels nor the index have; it says which there are.
    """
    cases = {case.key: case for case in store.cases(studies=labels.studies)}
    ordered = [cases[key] for key in labels.studies]
    own = store.own_columns()
    if asked is None:
        usual = {name: _column(name, labels, ordered, own) for name in USUAL_GROUPS}
        return {name: groups for name, groups in usual.items() if len({*groups} - {""}) > 1}
    found = {}
    for name in asked:
        parts = [part.strip() for part in name.split(_CROSS) if part.strip()]
        found[name] = crossed([_column(part, labels, ordered, own) for part in parts])
    return found


def _column(name: str, labels: LabelTable, cases: Sequence[Case], own: Mapping[str, bool]) -> list[str]:
    by_name = {own_field(heading): heading for heading in reversed(list(labels.columns))}
    plain = own_field(name)
    attribute = _MEANS.get(plain, plain)
    if plain in by_name:
        values = list(labels.columns[by_name[plain]])
    elif attribute in _ATTRIBUTES:
        values = [str(case.attributes.get(attribute, "")) for case in cases]
    elif plain in own:
        values = [str(case.attributes.get(OWN + plain, "")) for case in cases]
    else:
        there = [*labels.columns, *_ATTRIBUTES, *own]
        raise UnknownNameError(f"No column is called '{name}'{nearest(name, there)}; there are {', '.join(there)}.")
    return [age_band(value) for value in values] if plain == "age" else values
