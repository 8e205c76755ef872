"""Cases with a finding and cases without it: what a report says, else a calibrated score, else nothing is claimed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from radseek.prompts.finding import Finding
from radseek.retrieval.index.store import Case, Store
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.scoring.margins import read_finding
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search.ranking import RankedStudy

__all__ = ["CaseStatus", "Side", "Sides", "StatusSources", "status_of", "take_sides"]

Side = Literal["with", "without"]

_SIDES: Mapping[str, Side] = {"present": "with", "absent": "without"}
_REGIONS = frozenset({"abdomen", "chest", "head"})  # what short names in a report depend on


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """On which side a case stands and by what: its report (`sentence`), or its stored score (`probability`)."""

    side: Side
    source: Literal["report", "score"]
    sentence: str | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """The nearest k of each side, best first, each with its status; `looked_at` counts the cases that were asked,
    `neither` those whose report is undecided, or is silent where no score is calibrated.
    """

    present: tuple[tuple[RankedStudy, CaseStatus], ...]
    absent: tuple[tuple[RankedStudy, CaseStatus], ...]
    looked_at: int
    neither: int


@dataclass(frozen=True, slots=True, eq=False)
class StatusSources:
    """What deciding a case's side needs: the open store, the finding's vectors, and what may be claimed of a score."""

    store: Store
    text_vectors: TextVectors
    judge: Judge


def status_of(finding: Finding, case: Case, sources: StatusSources) -> CaseStatus | None:
    """Return a case's side, or None for neither.

    With: its report says that the finding is there. Without: its report says that it is not. A report that only doubts
    decides for neither. Where the report does not name the finding, or there is none, the stored study's calibrated
    state decides, present or absent; an uncertain or withheld one decides nothing.
    """
    said, sentence = _reported(finding, case)
    if said is not None:
        return CaseStatus(_SIDES[said], "report", sentence) if said in _SIDES else None
    if not sources.text_vectors.reads(finding):  # without a text tower reports alone decide
        return None
    study = stored_study(sources.store, case)
    reading = read_finding(study, finding, sources.text_vectors.pair(finding))
    verdict = sources.judge.verdict(finding, reading, is_phantom=study.is_phantom)
    if verdict.state not in _SIDES:
        return None
    return CaseStatus(_SIDES[verdict.state], "score", None, verdict.probability)


def take_sides(
    rank: Callable[[int], list[RankedStudy]],
    statuses: Callable[[Iterable[str]], Mapping[str, CaseStatus | None]],
    k: int,
) -> Sides:
    """Return the nearest k with and the nearest k without, asking `rank` for more until both are full or all are seen.

    `rank(n)` gives the n nearest studies, best first; `statuses` the side of each of some studies.
    """
    depth, known = 8 * k, dict[str, CaseStatus | None]()
    while True:
        ranked = rank(depth)
        known.update(statuses([one.study for one in ranked if one.study not in known]))
        sides: dict[Side, list[tuple[RankedStudy, CaseStatus]]] = {"with": [], "without": []}
        for one in ranked:
            status = known[one.study]
            if status is not None:
                sides[status.side].append((one, status))
        if len(ranked) < depth or min(map(len, sides.values())) >= k:
            neither = sum(known[one.study] is None for one in ranked)
            return Sides(tuple(sides["with"][:k]), tuple(sides["without"][:k]), len(ranked), neither)
        depth *= 4


def _reported(finding: Finding, case: Case) -> tuple[Polarity | None, str | None]:
    """What a case's report says and the sentence that says it: present outweighs uncertain, uncertain absent."""
    region = next((one.body_part for one in case.series if one.body_part in _REGIONS), None)
    said: dict[Polarity, str] = {}
    for sentence in case.sentences:
        for one in findings_in(sentence, (finding,), region=region):
            said.setdefault(one.polarity, sentence)
    for polarity in ("present", "uncertain", "absent"):
        if polarity in said:
            return polarity, said[polarity]
    return None, None
