"""Where a margin stands among an index's comparable studies: same modality, same body part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prompts.finding import Finding
from retrieval.index.store import Scope, Store
from retrieval.index.where import Clause, Where
from retrieval.prompt_vectors import PromptBook
from retrieval.scoring import Reading, read_finding
from retrieval.study_vectors import StudyVectors, stored_study

__all__ = ["FEWEST", "Percentiles"]

FEWEST = 30  # comparable studies under which a share would say little


class Percentiles:
    """Remembers the margins of an index's studies, per finding, for the one generation that its store shows."""

    def __init__(self, store: Store, book: PromptBook) -> None:
        self._store = store
        self._book = book
        self._margins: dict[Finding, dict[str, float | None]] = {}
        self._groups: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, finding: Finding, study: StudyVectors, reading: Reading) -> float | None:
        """Return the percentage of comparable studies, this one left out, whose margin is lower.

        None where the modality or the body part is unknown, or fewer than `FEWEST` comparable studies can be read
        for the finding.
        """
        kind = (reading.series.modality, reading.series.body_part)
        if not all(kind):
            return None
        others = [key for key in self._comparable(*kind) if key != study.key]
        if len(others) < FEWEST:
            return None
        margins = [m for m in self._margins_of(finding, others) if m is not None]
        if len(margins) < FEWEST:
            return None
        return 100 * sum(margin < reading.margin for margin in margins) / len(margins)

    def prepare(self, findings: Sequence[Finding], modality: str, body_part: str) -> None:
        """Read each comparable study once for many findings; afterwards `of` reads nothing for them."""
        if modality and body_part and len(keys := self._comparable(modality, body_part)) > FEWEST:
            self._read(findings, keys)

    def _comparable(self, modality: str, body_part: str) -> tuple[str, ...]:
        kind = (modality, body_part)
        if kind not in self._groups:
            values = (("modality", modality), ("body_part", body_part))
            where = Where(tuple(Clause(name, (value.casefold(),)) for name, value in values))
            cases = self._store.cases(Scope(where))
            same = [c.key for c in cases if any((s.modality, s.body_part) == kind for s in c.series)]
            self._groups[kind] = tuple(same)
        return self._groups[kind]

    def _margins_of(self, finding: Finding, keys: Sequence[str]) -> list[float | None]:
        self._read([finding], keys)
        known = self._margins[finding]
        return [known[key] for key in keys]

    def _read(self, findings: Iterable[Finding], keys: Sequence[str]) -> None:
        wanted = {finding: self._margins.setdefault(finding, {}) for finding in findings}
        missing = [key for key in keys if any(key not in known for known in wanted.values())]
        for case in self._store.cases(studies=missing) if missing else ():
            study = stored_study(self._store, case)
            for finding, known in wanted.items():
                reading = read_finding(study, finding, self._book.pair(finding))
                known[case.key] = None if reading is None else reading.margin
