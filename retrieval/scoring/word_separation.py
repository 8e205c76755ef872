"""Does the encoder tell a question's words from any others on the studies at hand, or does one direction answer all?

On some kinds of image an encoder sees little more than "normal" or "not": then "pneumonia", "a bicycle" and "anything
abnormal" order the studies alike, and an order by one word says nothing of that word. Measured as rank correlation
(Spearman) of the question's margins with those of meaningless words, and with those of "anything abnormal", over
studies of one kind. The angle between the words' own directions says nothing of it: on real films it was near 90
degrees where the orders were the same (docs/telling_apart.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import find
from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.index.catalog.where import Clause, Where
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.scoring.margins import study_margins
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors, forget_oldest

__all__ = ["FEWEST", "LIMIT", "MEANINGLESS", "Kind", "WordSeparation", "kind_of", "likeness", "note", "references"]

FEWEST = 30  # studies of one kind under which a rank correlation says little
LIMIT = 0.9  # of the likeness; measured, see docs/telling_apart.md
MEANINGLESS = ("banana", "a bicycle", "blue cheese", "a grand piano", "the patient is male", "a wooden chair")
_MOST = 100  # studies of one kind that are looked at
_NORMAL = "no_finding"

Kind = tuple[str, str]  # modality, body part


def note(kind: str) -> str:
    """Return the sentence that says of a kind of study what an order by words is worth."""
    return (
        f"Studies of {kind}: meaningless words put them in much the same order, so this order says normal or abnormal "
        "at most, and nothing of the words asked for (not_told_apart)."
    )


def kind_of(study: StudyVectors) -> Kind:
    """Return the modality and body part of a study's first series that has views; ("", "") without one."""
    first = next((one for one in study.series if one.views), None)
    return ("", "") if first is None else (first.modality, first.body_part)


@lru_cache(maxsize=512)
def references(finding: Finding) -> tuple[Finding, ...]:
    """Return what a finding's margins are compared with, read in its own views: meaningless words, then the normal."""
    words = [find(word) for word in MEANINGLESS]
    normal = [] if finding.name == _NORMAL else [all_findings()[_NORMAL]]
    return tuple(replace(one, views=finding.views) for one in (*words, *normal))


def likeness(margins: NDArray[np.float64], others: NDArray[np.float64]) -> float | None:
    """Return how alike a question orders N studies `(N,)` and its references do `(N, R)`, 0 to 1.

    The larger of the median of the correlations with meaningless words and the one with the normal, without sign.
    None for fewer than `FEWEST` studies that all can be read for.
    """
    read = ~(np.isnan(margins) | np.isnan(others).any(axis=1))
    if read.sum() < FEWEST:
        return None
    from scipy.stats import rankdata  # late: a second, and only an archive is asked this

    ranks = np.apply_along_axis(rankdata, 0, np.column_stack([margins[read], others[read]]))
    with np.errstate(invalid="ignore"):
        found = np.nan_to_num(np.abs(np.corrcoef(ranks, rowvar=False)[0, 1:]))
    count = len(MEANINGLESS)
    return float(max([np.median(found[:count]), *found[count:]]))


class WordSeparation:
    """Collects margins of questions and of their references, by kind of study, for one encoder."""

    def __init__(self, text_vectors: TextVectors, store: Store | None = None) -> None:
        """Take words' vectors and, where there is one, the index whose studies are at hand."""
        self._text_vectors = text_vectors
        self._store = store
        self._lock = RLock()  # rows are read bit by bit: another thread's question waits until all are there
        self._rows: dict[tuple[Kind, Finding], list[NDArray[np.float64]]] = {}
        self._few: dict[Kind, list[tuple[StudyVectors, Sequence[Finding]]] | None] = {}  # None once there are enough
        self._said: dict[tuple[Kind, Finding], tuple[int, bool | None]] = {}  # of how many studies, and what

    def add(self, study: StudyVectors, findings: Sequence[Finding]) -> None:
        """Take one study; those of a kind are read once there are `FEWEST`, and up to `_MOST` of them."""
        kind = kind_of(study)
        few = self._few.setdefault(kind, [])
        if few is None:
            self._margins(kind, study, findings)
        elif study.views:
            few.append((study, findings))
            if len(few) >= FEWEST:
                self._few[kind] = None
                for one, asked in few:
                    self._margins(kind, one, asked)

    def _margins(self, kind: Kind, study: StudyVectors, findings: Sequence[Finding]) -> None:
        """Read one study for findings and their references."""
        wanted = [one for one in findings if len(self._rows.get((kind, one), ())) < _MOST]
        asked = list(dict.fromkeys(one for finding in wanted for one in (finding, *references(finding))))
        if not asked or not study.views:
            return
        margins = study_margins(study, asked, [self._text_vectors.pair(one) for one in asked])
        at = {one: place for place, one in enumerate(asked)}
        for finding in wanted:
            row = margins[[at[one] for one in (finding, *references(finding))]]
            self._rows.setdefault((kind, finding), []).append(row)
        forget_oldest(self._rows)

    def not_told_apart(self, finding: Finding, kind: Kind) -> bool | None:
        """Say whether a finding's words order a kind of study as others do; None for too few studies."""
        with self._lock:
            if (kind, finding) not in self._rows:
                self._read(finding, kind)
            rows = self._rows.get((kind, finding), ())
            if self._said.get((kind, finding), (-1, None))[0] != len(rows):  # of an archive every study asks
                table = np.array(rows) if rows else np.empty((0, 2))
                found = likeness(table[:, 0], table[:, 1:])
                self._said[kind, finding] = (len(rows), None if found is None else found >= LIMIT)
                forget_oldest(self._said)
            return self._said[kind, finding][1]

    def alike(self, asked: Sequence[Finding], studies: Sequence[str]) -> tuple[str, ...]:
        """Return the kinds (`MR head`) of some of the index's studies that other words order as those asked do."""
        if self._store is None or not studies:
            return ()
        kinds = dict.fromkeys(kind_of(stored_study(self._store, case)) for case in self._store.cases(studies=studies))
        found = [kind for kind in kinds if any(self.not_told_apart(finding, kind) for finding in asked)]
        return tuple(" ".join(kind).strip() for kind in found)

    def _read(self, finding: Finding, kind: Kind) -> None:
        """Read the index's studies of a kind for a finding."""
        self._rows[kind, finding] = []
        if self._store is None or not all(kind):
            return
        values = (("modality", kind[0]), ("body_part", kind[1]))
        where = Where(tuple(Clause(name, (value.casefold(),)) for name, value in values))
        cases = list(self._store.cases(Scope(where), limit=_MOST))
        for case in cases if len(cases) >= FEWEST else ():
            self.add(stored_study(self._store, case), [finding])
