"""Where a margin stands among an index's comparable studies: same modality, same body part."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.index.store import Scope, Store, TopQuery
from radseek.retrieval.scoring.margins import TOP_SHARE, Reading, is_read_in, views_read
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors, forget_oldest

__all__ = ["FEWEST", "Percentiles"]

FEWEST = 30  # comparable studies under which a share would say little
_KEPT = 128 << 20  # bytes of margins kept for a kind of study
_BYTES = 8  # of them, a study and finding


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Comparable studies: their N keys, ascending, and per finding their margins `(N,)`, NaN where none can be read.

    `ordered`: the margins that can be read, ascending.
    """

    scope: Scope
    keys: list[str]
    margins: dict[Finding, NDArray[np.float32]] = field(default_factory=dict)
    ordered: dict[Finding, NDArray[np.float32]] = field(default_factory=dict)

    def place(self, key: str) -> int | None:
        at = bisect_left(self.keys, key)
        return at if at < len(self.keys) and self.keys[at] == key else None


class Percentiles:
    """Remembers the margins of an index's studies, per finding, for the one generation that its store shows."""

    def __init__(self, store: Store, text_vectors: TextVectors) -> None:
        self._store = store
        self._text_vectors = text_vectors
        self._lock = RLock()
        self._groups: dict[tuple[str, str], _Group] = {}

    def of(self, finding: Finding, study: StudyVectors, reading: Reading) -> float | str:
        """Return the percentage of comparable studies, this one left out, whose margin is lower.

        Where there is none, why: `unknown_kind` for a modality or a body part that is not known, `few_comparable` for
        fewer than `FEWEST` comparable studies that can be read for the finding.
        """
        kind = (reading.series.modality, reading.series.body_part)
        if not all(kind):
            return "unknown_kind"
        group = self._group(*kind)
        place = group.place(study.key)
        if len(group.keys) - (place is not None) < FEWEST:
            return "few_comparable"
        with self._lock:  # another thread's findings may push this one out
            self._read(group, [finding])
            margins, margin = group.ordered[finding], np.float32(reading.margin)
            own = np.float32(np.nan) if place is None else group.margins[finding][place]
        count = len(margins) - (not np.isnan(own))
        if count < FEWEST:
            return "few_comparable"
        return float(100 * (int(np.searchsorted(margins, margin)) - bool(own < margin)) / count)

    def prepare(self, findings: Sequence[Finding], modality: str, body_part: str) -> None:
        """Look through comparable studies once for many findings; afterwards `of` reads nothing for them."""
        if modality and body_part and len((group := self._group(modality, body_part)).keys) > FEWEST:
            with self._lock:
                self._read(group, findings)

    def _group(self, modality: str, body_part: str) -> _Group:
        kind = (modality, body_part)
        if kind not in self._groups:
            scope = Scope(kind=kind)
            self._groups[kind] = _Group(scope, self._store.study_keys(scope))
        return self._groups[kind]

    def _read(self, group: _Group, findings: Sequence[Finding]) -> None:
        """Compute margins as `scoring.study_margins` does, of all studies at once."""
        missing = [finding for finding in findings if finding not in group.margins]
        if not missing:
            return
        directions = np.stack([self._text_vectors.pair(finding).directions()[:, 0] for finding in missing], axis=1)
        table = np.full((len(missing), len(group.keys)), np.nan, np.float32)
        for block in self._store.top_means(TopQuery(directions, TOP_SHARE, views_read(missing)), group.scope):
            modality = "known" if block.knows_modality else ""
            for column, finding in enumerate(missing):
                if is_read_in(finding, block.view, modality):
                    np.fmax.at(table[column], block.study, block.means[:, column])
        for finding, margins in zip(missing, table, strict=True):
            group.margins[finding] = margins.copy()
            group.ordered[finding] = np.sort(margins[~np.isnan(margins)])
        for kept in (group.margins, group.ordered):
            forget_oldest(kept, max(len(findings), _KEPT // (_BYTES * len(group.keys))))
