"""The studies whose scores contradict their labels most, with the slice that the score came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.app.case_images import CaseImages
from radseek.html.evaluation_page import Miss
from radseek.pictures.slice_pictures import Picture
from radseek.prompts.finding import Finding
from radseek.retrieval.engine import Engine
from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["pictured_misses", "worst_rows"]

_OF_EACH_KIND: Final = 6
_SIDE: Final = 220  # pixels of a thumbnail


def worst_rows(
    labels: NDArray[np.int8], scores: NDArray[np.float64], threshold: float, count: int = _OF_EACH_KIND
) -> tuple[list[int], list[int]]:
    """Return which rows are the worst false alarms, and which the worst misses.

    Args:
        labels: `(N,)`: 1 present, 0 absent, -1 not known.
        scores: `(N,)`, NaN where there is none.
        threshold: a score at it or above is called present.
        count: the most of each kind.

    Returns:
        Rows without the finding that are called present, the highest score first; rows with it that are called absent,
        the lowest first. Ties in row order.
    """
    false = np.flatnonzero((labels == 0) & (scores >= threshold))
    missed = np.flatnonzero((labels == 1) & (scores < threshold))
    false, missed = false[np.argsort(-scores[false], kind="stable")], missed[np.argsort(scores[missed], kind="stable")]
    return false[:count].tolist(), missed[:count].tolist()


def pictured_misses(
    evaluation: IndexEvaluation, engine: Engine, index: Path, progress: Callable[[str, int, int | None], None]
) -> list[list[Miss]]:
    """Return for each finding its worst false alarms and misses with their key slices.

    `progress` is called with "draw", findings done and how many there are.
    """
    images = CaseImages(index, load_key())
    found: list[list[Miss]] = []
    try:
        for place, one in enumerate(evaluation.results):
            found.append(_of_finding(evaluation, place, one.finding, engine, images) if one.measures else [])
            progress("draw", place + 1, len(evaluation.results))
    finally:
        images.close()
    return found


def _of_finding(
    evaluation: IndexEvaluation, place: int, finding: Finding, engine: Engine, images: CaseImages
) -> list[Miss]:
    measures = evaluation.results[place].measures
    if measures is None:
        return []
    point = next(point for point in measures.points if point.rule == evaluation.rule)
    rows = worst_rows(evaluation.labels.values[:, place], evaluation.scores[:, place], point.threshold)
    made = []
    for kind, worst in zip(("false alarm", "missed"), rows, strict=True):
        for row in worst:
            (score,) = engine.iter_screen(evaluation.labels.studies[row], [finding])
            margin = float(evaluation.scores[row, place])
            made.append(Miss(score.path or score.study, kind, margin, _key_slice(score, engine, images)))
    return made


def _key_slice(score: FindingScore, engine: Engine, images: CaseImages) -> Picture | None:
    if score.series is None or score.view is None or score.key_slice is None or engine.store is None:
        return None
    (case,) = engine.store.cases(studies=[score.study])
    kinds = [(one.modality, one.body_part) for one in case.series]
    deep = any(one.key == score.series and one.shape and one.shape[0] > 1 for one in case.series)
    caption = f"{score.view}, slice {score.key_slice}" if deep else score.view
    place = (score.study, score.series, score.view, score.key_slice)
    return images.draw(*place, caption=caption, side=_SIDE, kinds=kinds)
