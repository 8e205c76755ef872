"""What an archive holds, counted, and what was noticed while its studies were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from radseek.retrieval.index.store import Case, CaseSeries

__all__ = ["Counts", "Noticed", "count_cases", "noticed_in"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is; `kinds`: studies of each (modality, body part) of their first series, most first."""

    studies: int
    series: int
    slices: int
    sentences: int
    kinds: tuple[tuple[tuple[str, str], int], ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing noticed in a series: a stable `code`, with a count where there is one; `text` for a reader's words."""

    study: str
    series: CaseSeries
    code: str
    count: int | None = None
    text: str = ""


def count_cases(cases: Iterable[Case]) -> Counts:
    """Count studies, series, the slices of their volumes, and report sentences."""
    studies = series = slices = sentences = 0
    kinds: Counter[tuple[str, str]] = Counter()
    for case in cases:
        studies, series, sentences = studies + 1, series + len(case.series), sentences + len(case.sentences)
        slices += sum(one.shape[0] for one in case.series if one.shape)
        kinds.update((one.modality, one.body_part) for one in case.series[:1])
    return Counts(studies, series, slices, sentences, tuple(sorted(kinds.items(), key=lambda one: (-one[1], one[0]))))


def noticed_in(case: Case) -> list[Noticed]:
    """Return what a study's provenance says that a reader should know, series by series."""
    return [one for series in case.series for one in _of_series(case.key, series, series.provenance)]


def _of_series(study: str, series: CaseSeries, shown: Mapping[str, object]) -> list[Noticed]:
    found: list[Noticed] = []
    dropped, time_point, warnings = shown.get("dropped_slices"), shown.get("time_point"), shown.get("warnings")
    if isinstance(warnings, list):
        found += [Noticed(study, series, "warning", None, str(text)) for text in warnings]
    if isinstance(dropped, int) and dropped > 0:
        found.append(Noticed(study, series, "dropped", dropped))
    if isinstance(time_point, int):
        found.append(Noticed(study, series, "time_point", time_point))
    if shown.get("inverted") is True:
        found.append(Noticed(study, series, "inverted"))
    return found
