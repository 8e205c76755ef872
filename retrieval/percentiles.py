"""Where a margin stands among an index's comparable studies: same modality, same body part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prompts.finding import Finding
from retrieval.index.store import Scope, Store
from retrieval.index.where import Clause, Where
from retrieval.prompt_vectors import PromptBook, forget_oldest
from retrieval.scoring import Reading, study_margins
from retrieval.study_vectors import StudyVectors, stored_study

__all__ = ["FEWEST", "Percentiles"]

FEWEST = 30  # comparable studies under which a share would say little


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Comparable studies: where each key stands, and per finding their margins `(N,)`, NaN where none can be read.

    `ordered`: the margins that can be read, ascending.
    """

    places: Mapping[str, int]
    margins: dict[Finding, NDArray[np.float64]] = field(default_factory=dict)
    ordered: dict[Finding, NDArray[np.float64]] = field(default_factory=dict)


class Percentiles:
    """Remembers the margins of an index's studies, per finding, for the one generation that its store shows."""

    def __init__(self, store: Store, book: PromptBook) -> None:
        self._store = store
        self._book = book
        self._groups: dict[tuple[str, str], _Group] = {}

    def of(self, finding: Finding, study: StudyVectors, reading: Reading) -> float | None:
        """Return the percentage of comparable studies, this one left out, whose margin is lower.

        None where the modality or the body part is unknown, or fewer than `FEWEST` comparable studies can be read
        for the finding.
        """
        kind = (reading.series.modality, reading.series.body_part)
        if not all(kind):
            return None
        group = self._group(*kind)
        if len(group.places) - (study.key in group.places) < FEWEST:
            return None
        self._read(group, [finding])
        margins = group.ordered[finding]
        own = group.margins[finding][group.places[study.key]] if study.key in group.places else np.nan
        count = len(margins) - (not np.isnan(own))
        if count < FEWEST:
            return None
        return float(100 * (np.searchsorted(margins, reading.margin) - (own < reading.margin)) / count)

    def prepare(self, findings: Sequence[Finding], modality: str, body_part: str) -> None:
        """Read each comparable study once for many findings; afterwards `of` reads nothing for them."""
        if modality and body_part and len((group := self._group(modality, body_part)).places) > FEWEST:
            self._read(group, findings)

    def _group(self, modality: str, body_part: str) -> _Group:
        kind = (modality, body_part)
        if kind not in self._groups:
            values = (("modality", modality), ("body_part", body_part))
            where = Where(tuple(Clause(name, (value.casefold(),)) for name, value in values))
            cases = self._store.cases(Scope(where))
            same = [c.key for c in cases if any((s.modality, s.body_part) == kind for s in c.series)]
            self._groups[kind] = _Group({key: place for place, key in enumerate(same)})
        return self._groups[kind]

    def _read(self, group: _Group, findings: Sequence[Finding]) -> None:
        missing = [finding for finding in findings if finding not in group.margins]
        if not missing:
            return
        pairs = [self._book.pair(finding) for finding in missing]
        table = np.full((len(group.places), len(missing)), np.nan)
        for case in self._store.cases(studies=list(group.places)):
            table[group.places[case.key]] = study_margins(stored_study(self._store, case), missing, pairs)
        for column, finding in enumerate(missing):
            margins = table[:, column].copy()
            group.margins[finding] = margins
            group.ordered[finding] = np.sort(margins[~np.isnan(margins)])
        forget_oldest(group.margins)
        forget_oldest(group.ordered)
