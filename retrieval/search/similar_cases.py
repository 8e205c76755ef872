"""A study, or a region of one, beside an index's cases: the nearest, and the nearest with and without a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import MaskError, UsageError
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.closeness import Closeness
from radseek.retrieval.index.kept_closeness import KnownCloseness
from radseek.retrieval.index.store import Case, Scope, Store
from radseek.retrieval.privacy.pseudonyms import patient_key, series_key, stored_key, study_key
from radseek.retrieval.privacy.scrub import allow_list
from radseek.retrieval.regions.masks import Region, choose_regions, fit_series
from radseek.retrieval.regions.region import union
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors, pixels_of
from radseek.retrieval.scoring.word_separation import Kind
from radseek.retrieval.search.close_enough import (
    NothingClose,
    case_floor,
    case_kinds,
    is_other_kind,
    left_out_note,
    lowest_floor,
    query_floor,
    query_kinds,
)
from radseek.retrieval.search.contrast import CaseStatus, StatusSources, status_of, take_sides
from radseek.retrieval.search.filter_check import what_is_left
from radseek.retrieval.search.ranking import QueryView, RankedStudy, match_slices, rank_studies, score_studies
from radseek.retrieval.search.region_query import rank_by_region, region_views
from radseek.retrieval.search.same_images import DistinctCase, copies_note, distinct_cases
from radseek.retrieval.search.search_results import Contrast, ContrastRow, SimilarRow
from radseek.retrieval.types import Series, Study, ViewVectors

__all__ = ["Comparison", "MaskedRegion", "Nearest", "masked_region"]

_DEEPEST = 4096  # cases that are looked at for some that are close enough


@dataclass(frozen=True, slots=True, eq=False)
class MaskedRegion:
    """A region of a study, and the study's vectors cut down to that region's."""

    vectors: StudyVectors
    series: Series
    region: Region

    def to_dict(self) -> dict[str, Any]:
        """Return what an answer says of the region that was asked with."""
        touched = np.flatnonzero(self.region.inside.any(axis=(1, 2))) + self.region.start[0]
        return {
            "label": self.region.label,
            "series": self.vectors.series[0].key,
            "slices": [int(touched.min()), int(touched.max())],
            "caveats": list(self.region.caveats),
        }


def masked_region(
    study: Study, path: str | None, mask: str, labels: Sequence[str], encoder: Encoder, key: bytes
) -> MaskedRegion:
    """Read a mask of a study and encode the region it marks.

    A mask of several labels is asked with one of them, or several as one: `labels` names them. Raises `MaskError`
    where it does not fit, or where nobody says which of its labels is meant.
    """
    series, regions = fit_series(mask, study)
    if len(regions) > 1 and not labels:
        there = ", ".join(f"'{region.label}'" for region in regions[:12])
        raise MaskError(f"The mask has {len(regions)} labels ({there}); say which is meant (--mask-label LABEL).")
    region = union(choose_regions(regions, tuple(labels)))
    name = study_key(study, key)
    ordinal = next(i for i, one in enumerate(study.series) if one is series)
    vectors = SeriesVectors(
        series_key(name, series.uid, ordinal, key),
        series.modality,
        series.body_part,
        tuple(region_views(series, region, encoder)),
    )
    twin = stored_key(study, key) if study.is_upload else ""
    patient = patient_key(study.patient_id, key)
    whole = StudyVectors(name, patient, path, (vectors,), allow_list(study.attributes), twin)
    return MaskedRegion(whole, series, region)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest cases, those under the floor left out: `left_out` of them; `nothing`: where that is all of them."""

    rows: tuple[SimilarRow, ...]
    left_out: int = 0
    nothing: NothingClose | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences on what was left out beside what is shown, and on copies of the query; () for nothing."""
        own = sum(row.is_copy for row in self.rows)
        left_out = (left_out_note(self.left_out),) if self.left_out and self.rows else ()
        return (*left_out, *((copies_note(own),) if own else ()))


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One question to a store: a study's vectors (or its region's), words that are added to them, and the scope.

    `known`: how near a case must be; without it, and for a region, whose slices are compared with whole ones, none is
    left out.
    """

    store: Store
    query: StudyVectors
    scope: Scope
    words: NDArray[np.floating] | None = None
    is_region: bool = False
    known: KnownCloseness | None = None
    _kinds: dict[str, frozenset[Kind]] = field(default_factory=dict, init=False)  # of the cases that were looked at

    @property
    def closeness(self) -> Closeness | None:
        """Return how near to each other the store's studies lie, where that says something of the query."""
        return None if self.known is None or self.is_region else self.known.get()

    @property
    def floor(self) -> float | None:
        """Return what a case must reach for the query's own kind of study; None where nothing is known of it."""
        closeness = self.closeness
        return None if closeness is None else query_floor(self.query, closeness)

    def rank(self, k: int) -> list[RankedStudy]:
        """Return the k nearest studies, best first, close enough or not."""
        views = self._views()
        if self.is_region:
            return rank_by_region(self.store, views, k, self.scope)
        return rank_studies(self.store, [QueryView(view.view, view.pooled) for view in views], k, self.scope)

    def close(self, k: int) -> list[RankedStudy]:
        """Return the k nearest studies that are close enough, best first.

        With words, which move what is ranked by, the study itself must be close to a case without them.
        """
        if self.closeness is None:
            return self.rank(k)
        depth, floor = k, self.floor
        while True:
            ranked = self.rank(depth)
            alone = self._alone(ranked)
            found = [one for one in ranked if self._misses(one.study, alone[one.study]) is None]
            beyond = self.words is None and floor is not None and bool(ranked) and ranked[-1].score < floor
            if len(found) > k or len(ranked) < depth or beyond or depth >= _DEEPEST:
                return found[:k]
            depth *= 4

    def nearest(self, k: int) -> Nearest:
        """Return the k nearest cases that are close enough, with their most alike slices and their reports."""
        found, cases = self._distinct(k)
        rows = tuple(self._row(rank, one, cases[one.case.study]) for rank, one in enumerate(found, 1))
        if len(rows) == k or self.closeness is None:
            return Nearest(rows)
        ranked = self.rank(k)
        alone = self._alone(ranked)
        missed = [
            NothingClose(floor, alone[one.study])
            for one in ranked
            if (floor := self._misses(one.study, alone[one.study])) is not None
        ]
        return Nearest(rows, len(missed), missed[0] if missed and not rows else None)

    def _distinct(self, k: int) -> tuple[list[DistinctCase], dict[str, Case]]:
        """Return the k nearest cases that are close enough, of several with the same images the first.

        One more is looked for, since a case's copies are as near as it is and stand before the next.
        """
        depth = k + 1
        while True:
            ranked = self.close(depth)
            cases = self._cases(one.study for one in ranked)
            found = distinct_cases(ranked, {key: pixels_of(case) for key, case in cases.items()})
            if len(found) >= k or len(ranked) < depth or depth >= _DEEPEST:
                return found[:k], cases
            depth *= 2

    def why_nothing(self, found: Nearest) -> tuple[str, ...]:
        """Return sentences on what left no case to compare with: filters, or images of other kinds; () where one is."""
        if found.rows or found.nothing is not None:
            return ()
        if left := what_is_left(self.scope, self.store):
            return left
        views = ", ".join(sorted({view.view for view in self.query.views}))
        alone = [
            str(where)
            for where in (Where((clause,)) for clause in self.scope.where.clauses)
            if not replace(self, scope=replace(self.scope, where=where)).rank(1)
        ]
        if not self.scope.where.clauses or not replace(self, scope=replace(self.scope, where=Where())).rank(1):
            return (f"No study in the index has images that are seen as the query's are ({views}).",)
        emptied = " and ".join(alone) or f"{self.scope.where} together"
        count = self.store.passing(self.scope)
        return (
            f"{count} studies pass the filters, and none has images that are seen as the query's are ({views}): "
            f"{emptied} leaves none that has.",
        )

    def contrast(self, finding: Finding, sources: StatusSources, k: int) -> Contrast:
        """Return the k nearest cases with a finding and the k nearest without it; none where nothing is close enough.

        Where something is, both sides go as deep as they must: they are looked at beside each other.
        """
        rank = self.rank if self.close(1) else lambda _: []

        def statuses(studies: Iterable[str]) -> Mapping[str, CaseStatus | None]:
            return {key: status_of(finding, case, sources) for key, case in self._cases(studies).items()}

        sides = take_sides(rank, statuses, k)
        return Contrast(
            finding.name, dict(finding.names), self._side(sides.present), self._side(sides.absent),
            sides.looked_at, sides.neither,
        )  # fmt: skip

    def _side(self, side: Sequence[tuple[RankedStudy, CaseStatus]]) -> tuple[ContrastRow, ...]:
        cases = self._cases(one.study for one, _ in side)
        return tuple(
            ContrastRow(
                self._row(rank, DistinctCase(one), cases[one.study]), status.source, status.sentence, status.probability
            )
            for rank, (one, status) in enumerate(side, 1)
        )

    def _row(self, rank: int, one: DistinctCase, case: Case) -> SimilarRow:
        study, score, copies = one.case.study, one.case.score, tuple(one.copies)
        matches = tuple(match_slices(self.query.views, self.store.slice_vectors(study)))
        other = is_other_kind(query_kinds(self.query), case_kinds(case))
        is_copy = bool(self.query.pixels) and self.query.pixels == pixels_of(case)
        return SimilarRow(rank, study, case.path, score, matches, case.report, other, copies, is_copy)

    def _alone(self, ranked: Sequence[RankedStudy]) -> dict[str, float]:
        """Return how like the query cases are without the words; their kinds are looked up, all together."""
        new = [one.study for one in ranked if one.study not in self._kinds]
        self._kinds.update({key: case_kinds(case) for key, case in self._cases(new).items()})
        if self.words is None or not ranked:
            return {one.study: one.score for one in ranked}
        views = [QueryView(view.view, view.pooled) for view in self.query.views]
        scored = score_studies(self.store, views, frozenset(one.study for one in ranked), self.scope)
        return {one.study: one.score for one in scored}

    def _misses(self, study: str, similarity: float) -> float | None:
        """Return the floor that a case lies under, or None where it is close enough."""
        floor = self.floor
        if floor is not None and similarity < floor:
            return floor
        own = self._floor_of(self._kinds[study])
        return own if own is not None and similarity < own else None

    def _floor_of(self, kinds: frozenset[Kind]) -> float | None:
        """Return what a case of some kinds must reach beside the query's own floor."""
        closeness = self.closeness
        if closeness is None:
            return None
        own = case_floor(self.query, kinds, closeness)
        if own is None and self.floor is None and is_other_kind(query_kinds(self.query), kinds):
            return lowest_floor(self.query, closeness)
        return own

    def _cases(self, studies: Iterable[str]) -> dict[str, Case]:
        keys = list(studies)
        return {case.key: case for case in self.store.cases(studies=keys)} if keys else {}

    def _views(self) -> list[ViewVectors]:
        """The query's views, each vector the unit sum of itself and the words where there are any."""
        views = list(self.query.views)
        if not views:
            raise UsageError(f"{self.query.path or self.query.key} has no view to compare; choose a study with images.")
        if self.words is None:
            return views
        words = self.words.astype(np.float64)
        return [replace(view, slices=_sum(view.slices, words), pooled=_sum(view.pooled, words)) for view in views]


def _sum(vectors: NDArray[np.float16], words: NDArray[np.float64]) -> Any:
    total = vectors.astype(np.float64) + words
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)
