"""Is an image one of its kind? Its third nearest patient in the index against what the index's own studies reach.

Encoders answer for any picture; this says where one lies farther from all studies of the modality and body part that it
is said to be of than these lie from each other (`index.closeness`, with the sources). What it misses is in
docs/floor.md: films that are inverted or turned may lie near enough.
"""

from __future__ import annotations

from threading import RLock

import numpy as np

from radseek.retrieval.index.closeness import NEAREST, SampleRows, sample_rows
from radseek.retrieval.index.kept_closeness import KnownCloseness
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import forget_oldest

__all__ = ["Domain"]

_KINDS = 8  # kinds of study whose vectors are held, at most 2,000 a view


class Domain:
    """Knows the domain of every kind of study of which an open index has enough."""

    def __init__(self, known: KnownCloseness) -> None:
        self._known = known
        self._lock = RLock()
        self._rows: dict[tuple[int, str, str], dict[str, SampleRows]] = {}

    def excludes(self, study: StudyVectors, series: SeriesVectors) -> bool | None:
        """Say whether a series of a study is out of the domain of its own kind; None where `shortfall` is."""
        shortfall = self.shortfall(study, series)
        return None if shortfall is None else shortfall > 0

    def shortfall(self, study: StudyVectors, series: SeriesVectors) -> float | None:
        """Return by how much a series' similarity to its third nearest patient misses the limit; below 0 it does not.

        The mean over its views, so that one odd window decides nothing; the study and its patient are left out. Of an
        unknown body part, the least over all of its modality. None where its modality is unknown or the index has
        fewer than 30 patients of the kind.
        """
        if not series.modality:
            return None
        found = [self._missing(study, series, part) for part in self._parts(series)]
        return min((one for one in found if one is not None), default=None)

    def _parts(self, series: SeriesVectors) -> list[str]:
        """Return the body parts that a series may be of: its own, or where none is said all of its modality."""
        known = {one.body_part for one in self._known.get().views if one.modality == series.modality}
        return [series.body_part] if series.body_part else sorted(known)

    def _missing(self, study: StudyVectors, series: SeriesVectors, part: str) -> float | None:
        closeness = self._known.get()
        itself = {study.key, study.stored_as, study.patient_key} - {""}
        missing = []
        for view in series.views:
            limits = closeness.of(series.modality, part, view.view)
            if limits is None:
                continue
            sample = self._sample(closeness.generation, series.modality, part)[view.view]
            nearest = sample.nearest(view.pooled, itself, NEAREST)
            if nearest is not None:
                missing.append(limits.domain - nearest)
        return float(np.mean(missing)) if missing else None

    def _sample(self, generation: int, modality: str, body_part: str) -> dict[str, SampleRows]:
        kind = (generation, modality, body_part)
        with self._lock:
            if kind not in self._rows:
                self._rows[kind] = sample_rows(self._known.store, modality, body_part)
                forget_oldest(self._rows, _KINDS)
            return self._rows[kind]
