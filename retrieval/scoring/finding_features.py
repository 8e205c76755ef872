"""One vector a study for one finding: the mean of the slice vectors in which its words see it best.

A finding of a volume is in few of its slices and a film is one, so a study is taken where its margin is (`margins`):
in the view that wins by the finding's words, the mean of the top `ceil(0.1 N)` slice vectors by their margins. The
product of that vector with the words' direction is the study's margin, so a direction fitted to such vectors starts
where the words end. The view vector would drown a lesion of three slices among three hundred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.index.store import Store
from radseek.retrieval.scoring.margins import TOP_SHARE, is_read_in
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextPair

__all__ = ["finding_feature", "stored_features"]


def finding_feature(study: StudyVectors, finding: Finding, pair: TextPair) -> NDArray[np.float64] | None:
    """Return a study's vector `(D,)` for a finding, not of unit length; None where no view admits the finding.

    Without words (a direction of zeros) the mean of all slices of its first view, as no slice is told from another.
    """
    direction = pair.directions()[:, 0]
    share = TOP_SHARE if direction.any() else 1.0
    best: tuple[float, NDArray[np.float64]] | None = None
    for series in study.series:
        for view in series.views:
            if not is_read_in(finding, view.view, series.modality):
                continue
            slices = view.slices.astype(np.float64)
            margins = slices @ direction
            top = np.argsort(-margins, kind="stable")[: math.ceil(share * len(margins))]
            margin = float(margins[top].mean())
            if best is None or margin > best[0]:
                best = (margin, slices[top].mean(axis=0))
    return None if best is None else best[1]


def stored_features(store: Store, finding: Finding, pair: TextPair, studies: Sequence[str]) -> NDArray[np.float64]:
    """Return `finding_feature` of N stored studies, by key: `(N, D)`, NaN where no view admits the finding."""
    features = np.full((len(studies), len(pair.positive)), np.nan)
    place = {key: row for row, key in enumerate(studies)}
    for case in store.cases(studies=studies):
        found = finding_feature(stored_study(store, case), finding, pair)
        if found is not None:
            features[place[case.key]] = found
    return features
