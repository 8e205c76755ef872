"""Who was measured: the first table of a paper, from what an index keeps of its studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.store import Case, Store

__all__ = ["cohort_facts"]

_COUNTED: Final = ("sex", "manufacturer", "site")


def cohort_facts(store: Store, labels: LabelTable) -> dict[str, Any]:
    """Return how many studies and patients have labels, and what is known of them.

    Args:
        store: the index.
        labels: of its studies.

    Returns:
        `studies`, `patients`, `series`; `kinds`, `sex`, `manufacturer` and `site` as counts of studies, most first, ""
        for what is not known; `age` and `year` as least, quartiles and greatest, with how many studies say them.
    """
    cases = store.cases(studies=labels.studies)
    firsts = (case.series[0] for case in cases if case.series)
    kinds = Counter(" ".join(filter(None, (one.modality, one.body_part))) for one in firsts)
    facts: dict[str, Any] = {
        "studies": len(cases),
        "patients": len(set(labels.patients)),
        "series": sum(len(case.series) for case in cases),
        "kinds": _most_first(kinds),
    }
    for name in _COUNTED:
        facts[name] = _most_first(Counter(str(case.attributes.get(name, "")) for case in cases))
    return facts | {name: _spread(cases, name) for name in ("age", "year")}


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _spread(cases: Sequence[Case], name: str) -> dict[str, float] | None:
    values = [value for case in cases if isinstance(value := case.attributes.get(name), int)]
    if not values:
        return None
    low, first, median, third, high = np.percentile(values, [0, 25, 50, 75, 100]).tolist()
    return {"known": len(values), "least": low, "first_quartile": first, "median": median, "third_quartile": third,
            "greatest": high}  # fmt: skip
