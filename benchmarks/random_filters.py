"""A thousand random filters on an index that has codes and rows, against each study's own values and NumPy.

    python -m benchmarks.random_filters [--filters 1000] [--studies 24000] [--codes-from 20000] [--seed 0]

A filter is one to four clauses as a user types them, over every kind of field (of series, words, numbers, ranges, an
archive's own columns), half of them with a patient or some studies left out as well. What passes is decided here from
the records, one by one, and the nearest views by NumPy in float64 over all that pass: the index must name the same
studies in the same order, and as many as were asked for wherever there are so many. Facets are counted by hand too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index import make_codes
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.search.facets import count_facets
from radseek.retrieval.search.ranking import QueryView, rank_studies
from tests.encoder_support import DIM, tiny_spec
from tests.index_support import key_of, make_record, unit

KINDS = (("CT", "chest"), ("CT", "abdomen"), ("MR", "head"), ("DX", "chest"), ("", "chest"))
MAKERS = ("SIEMENS", "Siemens Healthineers", "GE", "Philips", "")
SITES = ("Nord", "süd", "west")
TEAMS = ("a", "b", "急诊", "")
FACETS = ("modality", "body_part", "sex", "team")
KS = (1, 10, 100, 1000)


@dataclass(frozen=True, slots=True)
class Filter:
    """A question: the filter as typed, what it means of a record's values, and what is left out besides."""

    texts: tuple[str, ...]
    clauses: tuple[tuple[str, Any], ...]
    not_studies: frozenset[str]
    not_patients: frozenset[str]

    def passes(self, study: dict[str, Any]) -> bool:
        """Say whether a study passes."""
        if study["key"] in self.not_studies or study["patient"] in self.not_patients:
            return False
        return all(_holds(study.get(field), wanted, field) for field, wanted in self.clauses)


def _holds(value: Any, wanted: Any, field: str) -> bool:
    if value is None or value == "":
        return False
    if isinstance(wanted, range):
        return wanted.start <= int(value) < wanted.stop
    if field == "manufacturer":
        return any(one.lower() in str(value).lower() for one in wanted)
    return str(value).lower() in {one.lower() for one in wanted}


def study(number: int, rng: np.random.Generator) -> tuple[StudyRecord, dict[str, Any]]:
    """Return a record with gaps in its values, and those values."""
    modality, part = KINDS[int(rng.integers(len(KINDS)))]
    about: dict[str, Any] = {"sex": str(rng.choice(["F", "M", ""])), "age": int(rng.integers(0, 90))}
    about |= {"year": int(rng.integers(2000, 2025)), "manufacturer": str(rng.choice(MAKERS))}
    about |= {"site": str(rng.choice(SITES)), "own:grade": int(rng.integers(0, 9)), "own:team": str(rng.choice(TEAMS))}
    about = {name: value for name, value in about.items() if rng.random() < 0.85}
    said = ["A nodule."] if rng.random() < 0.3 else []
    made = make_record(number, modality=modality, body_part=part, views=("lung",), slices=1, sentences=said)
    made = replace(made, attributes=about, patient_key=key_of("patient", f"p{number // 3}"))
    known = {name.removeprefix("own:"): value for name, value in about.items()}
    known |= {"key": made.key, "patient": made.patient_key, "modality": modality, "body_part": part}
    return made, known | {"report": "yes" if said else "no"}


def random_filter(rng: np.random.Generator, known: list[dict[str, Any]]) -> Filter:
    """Return a filter that may let through anything from nothing to everything."""
    kinds: dict[str, Any] = {"modality": ("CT", "MR", "DX"), "body_part": ("chest", "abdomen", "head"), "site": SITES}
    kinds |= {"sex": ("F", "M"), "manufacturer": ("siemens", "GE", "philips"), "report": ("yes", "no")}
    kinds |= {"team": ("a", "b", "急诊"), "age": (0, 90), "year": (2000, 2025), "grade": (0, 9)}
    chosen = rng.choice(sorted(kinds), int(rng.integers(1, 5)), replace=False)
    texts: list[str] = []
    clauses: list[tuple[str, Any]] = []
    for field in map(str, chosen):
        values = kinds[field]
        if isinstance(values[0], int):
            low, high = sorted(int(one) for one in rng.integers(values[0], values[1], 2))
            texts.append(f"{field}={low}-{high}")
            clauses.append((field, range(low, high + 1)))
            continue
        some = tuple(str(one) for one in rng.choice(values, int(rng.integers(1, len(values) + 1)), replace=False))
        texts.append(f"{field}={','.join(some)}")
        clauses.append((field, some))
    out, patients = frozenset[str](), frozenset[str]()
    if rng.random() < 0.5:
        some_of = [known[int(at)] for at in rng.integers(0, len(known), 3)]
        out, patients = frozenset(one["key"] for one in some_of[:2]), frozenset({some_of[2]["patient"]})
    return Filter(tuple(texts), tuple(clauses), out, patients)


def differs(
    store: LocalStore,
    asked: Filter,
    known: list[dict[str, Any]],
    rows: NDArray[np.float64],
    query: NDArray[np.float16],
    k: int,
) -> tuple[int, list[str]]:
    """Return how many studies pass, and in what the index answers otherwise than by hand. `known`: in key order."""
    passing = np.array([asked.passes(one) for one in known], bool)
    keys = [known[at]["key"] for at in np.flatnonzero(passing)]
    scores = rows[passing] @ query.astype(np.float64)
    best = [keys[at] for at in np.lexsort((np.arange(len(keys)), -scores))[:k]]
    scope = Scope(
        Where.parse(asked.texts, store.own_columns()), not_studies=asked.not_studies, not_patients=asked.not_patients
    )
    problems = []
    if store.study_keys(scope) != keys or store.passing(scope) != len(keys):
        problems.append("other studies pass")
    found = {
        "views": [hit.study for hit in store.search_views("lung", query[None], k, scope)[0]],
        "slices": [hit.study for hit in store.search_slices(query, k, scope)],
        "studies": [one.study for one in rank_studies(store, [QueryView("lung", query)], k, scope)],
    }
    problems += [f"other {name}" for name, of in found.items() if of != best]
    problems += [f"fewer {name} than there are" for name, of in found.items() if len(of) < min(k, len(keys))]
    for facet in count_facets(store, scope, FACETS, best):
        counted = Counter(str(known[at].get(facet.field, "")) for at in np.flatnonzero(passing))
        counted.pop("", None)
        if {one.value: one.count for one in facet.values} != dict(counted):
            problems.append(f"another count of {facet.field}")
    return len(keys), problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=24_000)
    parser.add_argument("--codes-from", type=int, default=20_000, help="views of a name from which codes are made")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make_codes._LEAST = options.codes_from
    rng = np.random.default_rng(options.seed)
    made = [study(number, rng) for number in range(options.studies)]
    with tempfile.TemporaryDirectory(prefix="radseek-filters-") as folder:
        index = Path(folder) / "a.index"
        with LocalStore.create(index, tiny_spec()) as store:
            for start in range(0, len(made), 2000):
                store.add(record for record, _ in made[start : start + 2000])
            store.keep_codes()
        made.sort(key=lambda one: one[0].key)
        known = [about for _, about in made]
        rows = np.stack([record.series[0].views[0].pooled for record, _ in made]).astype(np.float64)
        wrong, sizes, full, started = Counter[str](), [], 0, time.process_time()
        with LocalStore.open(index) as store:
            codes = store.upkeep.codes()
            for _ in range(options.filters):
                k = int(rng.choice(KS))
                count, problems = differs(store, random_filter(rng, known), known, rows, unit(rng, 1, DIM)[0], k)
                wrong.update(problems)
                sizes.append(count)
                full += count >= k
    in_use = ", ".join(f"{one.view}: {one.rows} codes, {'in use' if one.in_use else 'not used'}" for one in codes)
    print(f"{options.studies} studies ({in_use}); {time.process_time() - started:.0f} s of a processor")
    print(
        f"{options.filters} filters let {min(sizes)} to {max(sizes)} studies through (median {int(np.median(sizes))}); "
        f"for {full} there were as many as asked for; wrong: {dict(wrong) or 'nothing'}"
    )


if __name__ == "__main__":
    main()
