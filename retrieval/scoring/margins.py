"""How strongly a study shows a finding: margins of slices, of views, and of the best view; and label softmax."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import CT_CHANNELS, CT_VIEWS, MR_VIEWS, VIEW_NAMES, VOLUME_VIEWS, Finding
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.scoring.key_slice import key_slice, own_kinds
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextPair
from radseek.retrieval.types import ViewVectors

__all__ = [
    "ONE_IMAGE_VIEWS",
    "TOP_SHARE",
    "Reading",
    "is_read_in",
    "label_probabilities",
    "read_finding",
    "slice_margins",
    "slice_profile",
    "squash",
    "study_margins",
    "views_read",
    "volume_margins",
]

TOP_SHARE = 0.1  # of a volume's slices; a finding is in few of them
ONE_IMAGE_VIEWS = ("radiograph", "mammogram", "picture", "capture")  # each image shows the whole: no slices of a body
_LOW, _HIGH = 10, 90  # percentiles of the interval
_STEEPEST = 60.0  # exp of more than this changes nothing that a float can show


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A study read for one finding: the best view's margin, and where it is best seen.

    `interval`: 10th to 90th percentile of the margin over paraphrases; `key_slice`: zero-based Z of the Volume;
    `position`: patient LPS mm of that slice's centre, or None without geometry; `slices`: over how many the best was
    taken, those of the study's other series in the same view among them; `stands_out`: False where the key slice is
    hardly better than the others (see `key_slice`); `competing (N,)`: which slices of the view could have been it.
    """

    series: SeriesVectors
    view: ViewVectors
    margin: float
    interval: tuple[float, float]
    key_slice: int
    position: tuple[float, float, float] | None
    slices: int
    stands_out: bool
    competing: NDArray[np.bool_]


def slice_margins(slices: NDArray[np.float16], pair: TextPair) -> NDArray[np.float32]:
    """Return margins `(N, 1 + K)`, `v.t+ - v.t-`, of slices `(N, D)`: with all paraphrases, then with each.

    Sums run in float64 over float16 rows, so that a margin does not depend on what else is computed.
    """
    return (slices.astype(np.float64) @ pair.directions()).astype(np.float32)


def slice_profile(z: NDArray[np.integer], margins: NDArray[np.floating]) -> tuple[tuple[int, float], ...]:
    """Return `(z, margin)` of every slice that rows `(N,)` are of, rising: of several rows of a slice the highest."""
    slices, row = np.unique(z, return_inverse=True)
    best = np.full(len(slices), -np.inf)
    np.maximum.at(best, row, margins.astype(np.float64))
    return tuple((int(one), float(margin)) for one, margin in zip(slices, best, strict=True))


def volume_margins(slices: NDArray[np.float16], pair: TextPair) -> tuple[NDArray[np.float32], int]:
    """Return `(1 + K,)` margins of a view, first with all paraphrases, then with each; and the highest slice's row.

    A view's margin is the mean of its top `ceil(0.1 N)` slices' margins. Which slice may be named: see `key_slice`.
    """
    margins = slice_margins(slices, pair)
    return _top_mean(margins), int(margins[:, 0].argmax())


def is_read_in(finding: Finding, view: str, modality: str) -> bool:
    """Say whether a finding is read in a view.

    No views named means all. Where nobody said the modality, unknown is not wrong; a generic `mr` view, or a volume of
    MR, serves a finding that is read in any sequence, and a volume of CT, or its windows as colours, one that is read
    in any window.
    """
    if not finding.views or view in finding.views or not modality:
        return True
    if view in (CT_CHANNELS, VOLUME_VIEWS["CT"]):
        return any(name in CT_VIEWS for name in finding.views)
    return view in ("mr", VOLUME_VIEWS["MR"]) and any(name in MR_VIEWS for name in finding.views)


def views_read(findings: Iterable[Finding]) -> frozenset[str] | None:
    """Return the names of the views in which any of the findings is read, None for all views."""
    findings = tuple(findings)
    if not findings or not all(finding.views for finding in findings):
        return None
    known = "any"  # a modality: where nobody said it, every view would do
    every = (*VIEW_NAMES, CT_CHANNELS, *VOLUME_VIEWS.values())
    return frozenset(view for view in every if any(is_read_in(finding, view, known) for finding in findings))


def read_finding(
    study: StudyVectors, finding: Finding, pair: TextPair, kinds: NDArray[np.float32] | None = None
) -> Reading | None:
    """Return the study's reading for a finding, best view first met winning a tie; None where no view admits it.

    `kinds`: vectors of kinds of image (`TextVectors.kinds`), by which slices are told that show nothing of their kind.
    """
    found = [
        (volume_margins(view.slices, pair)[0], series, view)
        for series in study.series
        for view in series.views
        if is_read_in(finding, view.view, series.modality)
    ]
    if not found:
        return None
    margins, series, view = max(found, key=lambda one: float(one[0][0]))
    # Each paraphrase is judged as a study is: by its own best view.
    each = np.max([one[0][1:] for one in found], axis=0).astype(np.float64)
    low, high = np.percentile(each, [_LOW, _HIGH])
    own = own_kinds(series.modality, series.body_part)
    key = key_slice(slice_margins(view.slices, pair), view.slices, kinds, own)
    return Reading(
        series=series,
        view=view,
        margin=float(margins[0]),
        interval=(float(low), float(high)),
        key_slice=int(view.z[key.row]),
        position=view.position[key.row] if view.position else None,
        slices=_slices_beside(view, [one[2] for one in found]),
        stands_out=key.stands_out and not _says_no_slice(view),
        competing=key.chosen,
    )


def _says_no_slice(view: ViewVectors) -> bool:
    """Whether a volume has one vector alone, so that its encoder says nothing of where."""
    return view.view in VOLUME_VIEWS.values() and len(view.slices) == 1


def _slices_beside(view: ViewVectors, read: Sequence[ViewVectors]) -> int:
    """Return how many slices the best was sought in: a volume sent as many series of one slice is a volume."""
    if view.view in ONE_IMAGE_VIEWS:
        return len(view.slices)
    return sum(len(one.slices) for one in read if one.view == view.view)


def study_margins(study: StudyVectors, findings: Sequence[Finding], pairs: Sequence[TextPair]) -> NDArray[np.float64]:
    """Return `read_finding`'s margin for each of F findings `(F,)`, NaN where no view admits it: one product a view."""
    directions = np.stack([pair.directions()[:, 0] for pair in pairs], axis=1)
    best = np.full(len(findings), np.nan)
    for series in study.series:
        for view in series.views:
            read = [i for i, finding in enumerate(findings) if is_read_in(finding, view.view, series.modality)]
            margins = (view.slices.astype(np.float64) @ directions[:, read]).astype(np.float32)
            best[read] = np.fmax(best[read], _top_mean(margins))
    return best


def _top_mean(margins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean `(M,)` of the top `ceil(0.1 N)` of margins `(N, M)`, column by column."""
    top = math.ceil(TOP_SHARE * len(margins))
    best = np.sort(margins, axis=0)[len(margins) - top :]
    return np.asarray(best.mean(axis=0, dtype=np.float64), np.float32)


def squash(x: float) -> float:
    """Return the logistic function of x, for any x."""
    return 1 / (1 + math.exp(-max(-_STEEPEST, min(_STEEPEST, x))))


def label_probabilities(views: Sequence[ViewVectors], texts: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    """Return the softmax over M labels `(M, D)` of `scale * cos` to the image.

    The image is the unit mean of its views' pooled vectors.
    """
    image = mean_pool(np.stack([view.pooled.astype(np.float32) for view in views]))
    logits = scale * (texts.astype(np.float64) @ image.astype(np.float64))
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float64)
